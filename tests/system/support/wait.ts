/**
 * Waiting with a limit, which says what was waited for. `waitUntil` asks again and again. The limit is no
 * measure; it only ends a test that hangs, before the test's own limit does so without a word, and is longer
 * in a guest, whose instructions are translated.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 10;
export const waitMsMax = process.env['DISKFERRY_GUEST'] === undefined ? 120_000 : 300_000;

export async function waitUntil(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + waitMsMax;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`in vain waited until ${what}`);
    await sleep(pollMs);
  }
}

/** The end of `work`, which may never come. `what` is asked when it has not. */
export async function inTime<T>(what: string | (() => string), work: Promise<T>): Promise<T> {
  const watch = new AbortController();
  const late = sleep(waitMsMax, undefined, { signal: watch.signal }).then(() => {
    throw new Error(`in vain waited until ${typeof what === 'string' ? what : what()}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => {});
    watch.abort();
  }
}
