/**
 * What a person can choose after something has failed before the commit, and how a job's states read as the phases of
 * its progress: tables without effects.
 */
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { JobState } from '../contract/control.ts';
import type { JobEventOf, JobPhase } from '../contract/events.ts';

const tryAgain = { choice: 'resume', meaning: 'try again' };
const goBack = { choice: 'undo', meaning: 'go back to the source, with what was written since' };

/** What a failed flush has lost a second one does not bring back; a broken copy loop stays broken. */
const notRetried: readonly ErrorCode[] = ['destination-flush-failed', 'copy-broken'];

export function choicesAfter(error: unknown, state: JobState): JobEventOf<'decision'>['choices'] {
  if (state === 'undoing') return [{ ...goBack, meaning: 'try again to go back to the source' }];
  const cannotBeRetried = error instanceof DiskferryError && notRetried.includes(error.code);
  return cannotBeRetried ? [goBack] : [tryAgain, goBack];
}

export function phaseOf(state: JobState): JobPhase {
  switch (state) {
    case 'starting':
    case 'synchronized':
    case 'cutting-over':
    case 'committed':
      return state;
    default:
      return 'copying';
  }
}
