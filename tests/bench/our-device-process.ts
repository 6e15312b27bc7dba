/**
 * The benchmark's side of our-device.ts: forks it, passes calls to it, and makes sure that nothing of it is
 * left.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench } from './benchmark.ts';
import type { AnswerMessage, AttachSetting, CallName, DeviceCalls } from './device-calls.ts';

type Result<Name extends CallName> = Awaited<ReturnType<DeviceCalls[Name]>>;

export class OurDevice {
  readonly #child: ChildProcess;
  readonly #bench: Bench;
  readonly #died: Promise<AnswerMessage>;

  /** Ends with the benchmark. */
  static start(bench: Bench): OurDevice {
    const ours = new OurDevice(bench);
    bench.held.add('our engine', () => ours.#end());
    return ours;
  }

  private constructor(bench: Bench) {
    this.#bench = bench;
    this.#child = fork(fileURLToPath(new URL('our-device.ts', import.meta.url)));
    this.#died = once(this.#child, 'exit').then(() => ({ error: 'its process has died' }));
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  async attach(setting: Omit<AttachSetting, 'directory'>): Promise<Result<'attach'>> {
    const directory = await mkdtemp(join(this.#bench.directory, 'ours-'));
    return this.#call('attach', { ...setting, directory });
  }

  /** Copies everything; returns how long that took. */
  async copy(): Promise<number> {
    await this.startCopy();
    return this.synchronized();
  }

  async startCopy(): Promise<void> {
    await this.#call('startCopy');
  }

  async synchronized(): Promise<number> {
    return (await this.#call('synchronized')).elapsedMs;
  }

  progress(): Promise<Result<'progress'>> {
    return this.#call('progress');
  }

  residentBytes(): Promise<number> {
    return this.#call('residentBytes');
  }

  async detach(): Promise<void> {
    await this.#call('detach');
  }

  async #call<Name extends CallName>(call: Name, parameter?: AttachSetting): Promise<Result<Name>> {
    this.#bench.interrupted.throwIfAborted();
    const answered = once(this.#child, 'message') as Promise<[AnswerMessage]>;
    this.#child.send({ call, parameter });
    const answer = await Promise.race([answered.then(([message]) => message), this.#died]);
    if ('error' in answer) throw new Error(`our engine, ${call}: ${answer.error}`);
    return answer.result as Result<Name>;
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.disconnect();
    await this.#died;
  }
}
