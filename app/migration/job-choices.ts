/**
 * What a person can choose after something has failed before the commit, when a job hears which command, and
 * how its states read as the phases of its progress: tables without effects.
 */
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { ControlRequestName, JobState } from '../contract/control.ts';
import type { JobEventOf, JobPhase } from '../contract/events.ts';
import type { Plan } from '../contract/plan.ts';

const tryAgain = { choice: 'retry', meaning: 'try again' };
const accept = {
  choice: 'accept-unreadable',
  meaning: 'go on without what cannot be read; on the destination it becomes zeroes',
};
const acceptOld = {
  choice: 'accept-unreadable',
  meaning: 'go back without it; the source keeps what it had there before the move',
};
const putBack = {
  choice: 'retry',
  meaning: 'put it back on the virtual device and go on; what it wrote past it may be lost',
};
const goBack = { choice: 'undo', meaning: 'go back to the source, with what was written since' };

/** What a failed flush has lost a second one does not bring back; a broken copy loop stays broken. */
const notRetried: readonly ErrorCode[] = ['destination-flush-failed', 'copy-broken'];

export function choicesAfter(error: unknown, state: JobState): JobEventOf<'decision'>['choices'] {
  if (error instanceof DiskferryError && error.code === 'table-changed') return [putBack, goBack];
  const code = error instanceof DiskferryError ? error.code : undefined;
  if (state === 'undoing') {
    const again = { ...goBack, meaning: 'try again to go back to the source' };
    return code === 'destination-unreadable' || code === 'destination-gone' ? [again, acceptOld] : [again];
  }
  if (code === 'source-unreadable') return [tryAgain, accept, goBack];
  return code !== undefined && notRetried.includes(code) ? [goBack] : [tryAgain, goBack];
}

/** Those that are not heard in every state. */
export type Command = Exclude<ControlRequestName, 'status' | 'watch' | 'speed'>;

export interface Circumstances {
  /** Copying has been paused, and whatever the job has done since. */
  readonly isPaused: boolean;
  readonly isCommitting: boolean;
}

/** Every choice that a decision offers is heard while it is waited for. */
export function statesFor(command: Command, { isPaused, isCommitting }: Circumstances): readonly JobState[] {
  switch (command) {
    case 'pause':
      return ['starting', 'copying'];
    case 'resume':
      return ['copying', 'needs-decision', ...(isPaused ? (['starting', 'synchronized'] as const) : [])];
    case 'retry':
    case 'accept-unreadable':
      return ['needs-decision'];
    case 'verify':
    case 'cutover':
      return ['synchronized'];
    case 'undo':
      return isCommitting
        ? []
        : ['starting', 'copying', 'synchronized', 'verifying', 'cutting-over', 'needs-decision', 'undoing'];
  }
}

/** Throws `decision-needed` or `job-state` when the command is not heard now. */
export function requireHeard(
  command: Command,
  { job, state, ...circumstances }: Circumstances & { readonly job: string; readonly state: JobState },
): void {
  if (statesFor(command, circumstances).includes(state)) return;
  const code = state === 'needs-decision' ? 'decision-needed' : 'job-state';
  throw new DiskferryError(code, `${job}: cannot ${command}: the job is ${state}`);
}

/** @param failedIn what a job was at that waits for a decision: it is neither further nor back by that */
export function phaseOf(state: JobState, failedIn?: JobState): JobPhase {
  switch (state) {
    case 'needs-decision':
      return failedIn === undefined || failedIn === state ? 'copying' : phaseOf(failedIn);
    case 'starting':
    case 'synchronized':
    case 'verifying':
    case 'cutting-over':
    case 'undoing':
    case 'committed':
      return state;
    default:
      return 'copying';
  }
}

/** Nobody can be stopped who came by himself: the one who attached the device lets it go. */
export function isOnlyBusy(error: unknown, way: Plan['way']): error is DiskferryError {
  return error instanceof DiskferryError && error.code === 'volume-busy' && way === 'attach';
}
