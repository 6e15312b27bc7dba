/**
 * Why the demo stops early: a signal (Ctrl-C), its workload's failure, or the migration's. The first reason
 * counts; what follows from it is told as well, because it may explain the first. While this listens, no
 * signal ends the process: cleaning up must not be interrupted.
 */
import { DiskferryError } from '../../base/error.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class StopSignal {
  readonly #controller = new AbortController();
  readonly #tell: (text: string) => void;
  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.stop(new DiskferryError('interrupted', `the demo was interrupted by ${name}`));
  };

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  listen(): void {
    for (const name of signals) process.on(name, this.#onSignal);
  }

  close(): void {
    for (const name of signals) process.off(name, this.#onSignal);
  }

  stop(reason: Error): void {
    if (this.signal.aborted) this.#tell(`Meanwhile: ${reason.message}.`);
    this.#controller.abort(reason);
  }

  /** What is waited for, unless there is a reason to stop first. */
  async orStop<T>(awaited: Promise<T>): Promise<T> {
    const { signal } = this;
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      awaited.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What ended the demo: the reason to stop, where there was one; the rest only follows from it. */
  cause(error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : error;
  }
}
