/**
 * Keeps the machine awake while a job runs: a block inhibitor of logind's, held by a process of
 * systemd-inhibit that ends with us, because it waits for the end of a pipe that only we hold. Without logind
 * nobody else puts the machine to sleep by itself, and people are told. While the machine boots logind comes later than
 * we do: what has failed is tried again.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { isOnBattery } from '../base/power-supply.ts';

const inhibit = [
  '--what=sleep:idle:shutdown:handle-lid-switch',
  '--mode=block',
  '--who=Diskferry',
  '--why=A disk is being moved',
  'cat',
];

const retryMsUsual = 20_000;

export class Awake {
  readonly #program: string;
  readonly #retryMs: number;
  readonly #say: (text: string) => void;
  #retry: NodeJS.Timeout | undefined;
  #lastSaid = '';
  #holder: ChildProcess | undefined;
  #running = 0;

  constructor(say: (text: string) => void, program = 'systemd-inhibit', retryMs = retryMsUsual) {
    this.#say = say;
    this.#program = program;
    this.#retryMs = retryMs;
  }

  /** Of how many jobs run now. */
  follow(running: number): void {
    this.#running = running;
    this.#lastSaid = '';
    if (running > 0) this.#hold();
    else this.release();
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  /** What people should know while a job runs. */
  notes(): string[] {
    if (this.#running === 0 || this.isHeld) return [];
    return ['This machine is not kept awake: do not let it sleep while a job runs.'];
  }

  release(): void {
    clearTimeout(this.#retry);
    const holder = this.#holder;
    this.#holder = undefined;
    holder?.stdin?.end();
  }

  #hold(): void {
    if (this.#holder !== undefined) return;
    const stdio = ['pipe', 'ignore', 'ignore'] as const;
    const holder: ChildProcess = spawn(this.#program, inhibit, { stdio: [...stdio] });
    this.#holder = holder;
    // Its end says it. Without a descriptor to spare (EMFILE) it has no stdin at all.
    holder.stdin?.on('error', () => undefined);
    const end = (why: string): void => {
      if (this.#holder !== holder) return;
      this.#holder = undefined;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#hold(), this.#retryMs).unref();
      const text = `the machine is not kept awake: ${why}; do not let it sleep while a job runs`;
      if (text !== this.#lastSaid) this.#say(text);
      this.#lastSaid = text;
    };
    holder.once('error', ({ message }) => end(message));
    holder.once('exit', (exitCode, signal) => end(`${this.#program} ended: ${signal ?? String(exitCode)}`));
  }
}

/** What people should know before they begin. */
export function powerNotes(folder?: string): string[] {
  return isOnBattery(folder) ? ['This machine runs on its battery: connect it to power before a long move.'] : [];
}
