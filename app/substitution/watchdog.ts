/**
 * The watchdog beside a change of tables: a small process (native/watchdog.cc) that lets a device go on with
 * its old table when this process is killed, or takes too long, while the device is suspended. Started before
 * the first suspend, ended after the last resume; it knows of a device before the device is suspended.
 *
 * Orders and answers are records of fixed length, one answer to each order, one order at a time.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { assert, DiskferryError } from '../base/error.ts';
import { inOwnSession } from '../devices/own-session.ts';
import { builtFile } from '../base/built-file.ts';

const order = { guard: 1, release: 2 } as const;
const answerNames = { 1: 'guarding', 2: 'released', 3: 'expired', 4: 'full' } as const;
type Answer = (typeof answerNames)[keyof typeof answerNames];

const nameBytes = 128;
const orderBytes = 4 + 4 + nameBytes;
const answerBytes = 4 + nameBytes;
const limitMsMax = 2 ** 31 - 1;

export interface GuardOptions {
  /** As device-mapper knows it. */
  readonly name: string;
  /** How long it may stay suspended. */
  readonly limitMs: number;
}

export class Watchdog {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #exited: Promise<unknown>;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #death: Error | undefined;

  /** Runs `act` with a watchdog at hand. What the watchdog has to say goes to our stderr. */
  static async during<T>(act: (watchdog: Watchdog) => Promise<T>): Promise<T> {
    const watchdog = new Watchdog();
    try {
      return await act(watchdog);
    } finally {
      await watchdog.#end();
    }
  }

  private constructor() {
    const program = builtFile('native/diskferry-watchdog');
    this.#child = inOwnSession((own) => spawn(program, [], { ...own, stdio: ['pipe', 'pipe', 'inherit'] }));
    this.#exited = once(this.#child, 'close').catch(() => undefined);
    this.#child.stdout.on('data', (data: Buffer) => this.#receive(data));
    this.#child.on('error', (cause) => this.#die(cause));
    this.#child.on('exit', (code, signal) =>
      this.#die(new Error(`it has ended (${String(code ?? signal)})`)),
    );
    // It shows as its end.
    this.#child.stdin.on('error', () => undefined);
  }

  get isDead(): boolean {
    return this.#death !== undefined;
  }

  /** NaN when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? NaN;
  }

  /**
   * Does what suspends the device and resumes it. Throws before that when nobody can watch, and says so when
   * `act` has failed because it took too long: the device then runs on its old table.
   */
  async guard<T>({ name, limitMs }: GuardOptions, act: () => Promise<T>): Promise<T> {
    assert(limitMs > 0 && limitMs <= limitMsMax, `not a time limit: ${limitMs}`);
    const answer = await this.#ask(order.guard, name, limitMs);
    assert(answer === 'guarding', `the watchdog cannot guard ${name}: ${answer}`);
    const result = await act().catch(async (cause: unknown) => {
      throw (await this.#release(name)) === 'expired' ? tooLong(name, cause) : cause;
    });
    await this.#release(name);
    return result;
  }

  /** What has been done needs no watchdog any more, should it have died meanwhile. */
  async #release(name: string): Promise<Answer> {
    return this.#death === undefined ? this.#ask(order.release, name, 0) : 'released';
  }

  async #ask(kind: number, name: string, limitMs: number): Promise<Answer> {
    if (this.#death !== undefined) throw dead(this.#death);
    assert(this.#waiting === undefined, 'the watchdog gets one order at a time');
    const record = Buffer.alloc(orderBytes);
    record.writeUInt32LE(kind, 0);
    record.writeUInt32LE(limitMs, 4);
    assert(Buffer.byteLength(name) < nameBytes, `not a name of device-mapper: ${name}`);
    record.write(name, 8);
    const answered = new Promise<Answer>((resolve, reject) => (this.#waiting = { resolve, reject }));
    this.#child.stdin.write(record);
    return answered;
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    if (this.#received.length < answerBytes) return;
    const kind = this.#received.readUInt32LE(0) as keyof typeof answerNames;
    this.#received = this.#received.subarray(answerBytes);
    this.#waiting?.resolve(answerNames[kind]);
    this.#waiting = undefined;
  }

  #die(cause: Error): void {
    this.#death ??= cause;
    this.#waiting?.reject(dead(this.#death));
    this.#waiting = undefined;
  }

  async #end(): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}

function tooLong(name: string, cause: unknown): DiskferryError {
  const device = `/dev/mapper/${name}`;
  const message = `${device}: stood still for too long; the watchdog has let it go on with its old table`;
  return new DiskferryError('mapping-failed', message, { context: { device, name }, cause });
}

function dead(cause: Error): DiskferryError {
  return new DiskferryError(
    'mapping-failed',
    `the watchdog for suspended devices does not run: ${cause.message}`,
    { cause },
  );
}
