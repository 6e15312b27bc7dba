/** After the commit: users leave the virtual device for the destination. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../base/error.ts';
import type { Ferry } from './ferry.ts';
import type { JobVoice } from './job-voice.ts';
import type { Placement } from './placement.ts';

const retryMs = 2000;

/** The destination is the truth already, so this is tried until it succeeds; users go on meanwhile. */
export async function leaveVirtualDevice(placement: Placement, ferry: Ferry, voice: JobVoice): Promise<void> {
  for (;;) {
    try {
      await placement.afterCommit(ferry);
      return;
    } catch (error) {
      const why = `the volume still goes through the virtual device; it is tried again: ${messageOf(error)}`;
      voice.warnOnce('cut-over-pending', why);
      await sleep(retryMs);
    }
  }
}
