/** For a command whose work is stopped by a signal and stays half done: the first one is told, and the rest are the same. */

export interface StopSignals {
  readonly signal: AbortSignal;
  /** Afterwards a signal ends the process again. */
  readonly end: () => void;
}

/** `told`: one line for people. */
export function stopOnSignals(told: string): StopSignals {
  const stopped = new AbortController();
  const stop = (): void => {
    if (!stopped.signal.aborted) process.stderr.write(`${told}\n`);
    stopped.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  return {
    signal: stopped.signal,
    end: () => {
      for (const signal of signals) process.off(signal, stop);
    },
  };
}
