/**
 * Waiting for what cannot be awaited: asks again and again. The limit is no measure; it only ends a test that
 * hangs, and is longer in a guest, whose instructions are translated.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 10;
export const waitMsMax = process.env['DISKFERRY_GUEST'] === undefined ? 60_000 : 200_000;

export async function waitUntil(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + waitMsMax;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`in vain waited until ${what}`);
    await sleep(pollMs);
  }
}
