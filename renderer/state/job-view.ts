/**
 * What the wizard knows of one job: made from its events by one pure function, and from what the service says of
 * its state. The events tell what has happened; the state says what the job is doing and waits for, also where
 * another client has decided meanwhile.
 *
 * Events come in their order and each once; after a new connection all of them come again, from `planned` on.
 */
import type { JobStatus, StatusLine } from '../../app/contract/control.ts';
import type { JobEvent, JobEventOf } from '../../app/contract/events.ts';
import type { Plan, Speed } from '../../app/contract/plan.ts';
import type { Forecast } from './job-forecast.ts';
import { nextForecast, noForecast } from './job-forecast.ts';
import type { Samples } from './job-samples.ts';
import { addSample, noSamples } from './job-samples.ts';

export type LastEvent = JobEventOf<'finished' | 'undone' | 'failed'>;

export interface JobView {
  readonly job: string;
  readonly state: StatusLine['state'];
  /** Also while it starts, when it shows as starting still. */
  readonly isPaused: boolean;
  readonly plan: Plan | null;
  readonly device: string | null;
  readonly speed: Speed | null;
  readonly progress: JobEventOf<'progress'> | null;
  readonly samples: Samples;
  readonly forecast: Forecast;
  readonly decision: JobEventOf<'decision'> | null;
  readonly cutOver: readonly string[];
  readonly verified: JobEventOf<'verified'> | null;
  readonly end: LastEvent | null;
  /** All but progress, the oldest first. */
  readonly log: readonly JobEvent[];
}

/** Somebody may pause and resume without end. The first one stays: it is the plan. */
export const logMax = 300;

export function newJob(job: string): JobView {
  return {
    job,
    state: 'starting',
    isPaused: false,
    plan: null,
    device: null,
    speed: null,
    progress: null,
    samples: noSamples,
    forecast: noForecast,
    decision: null,
    cutOver: [],
    verified: null,
    end: null,
    log: [],
  };
}

export function afterEvent(view: JobView, event: JobEvent): JobView {
  return event.event === 'progress' ? afterProgress(view, event) : afterHappening(logged(view, event), event);
}

function logged(view: JobView, event: JobEvent): JobView {
  const [first] = view.log;
  const isFull = view.log.length >= logMax && first !== undefined;
  return { ...view, log: isFull ? [first, ...view.log.slice(2), event] : [...view.log, event] };
}

/** Progress goes on while a job is paused or waits for a decision: only a new phase ends the latter. */
function afterProgress(view: JobView, event: JobEventOf<'progress'>): JobView {
  const samePhase = view.progress === null || view.progress.phase === event.phase;
  const isWaiting = view.state === 'needs-decision' && samePhase;
  const ofPhase = view.isPaused && event.phase === 'copying' ? 'paused' : event.phase;
  const state = view.end !== null || isWaiting ? view.state : ofPhase;
  return {
    ...view,
    state,
    decision: state === 'needs-decision' ? view.decision : null,
    progress: event,
    samples: addSample(view.samples, event),
    forecast: nextForecast(view.forecast, event),
  };
}

function afterHappening(view: JobView, event: Exclude<JobEvent, { event: 'progress' }>): JobView {
  switch (event.event) {
    case 'planned':
      // From the beginning: what was known is of an earlier connection, but for the charts.
      return { ...newJob(view.job), samples: view.samples, plan: event.plan, log: [event] };
    case 'attached':
      return { ...view, device: event.device };
    case 'paused':
      return { ...view, state: 'paused', isPaused: true };
    case 'resumed':
      return { ...view, state: 'copying', isPaused: false };
    case 'decision':
      return { ...view, state: 'needs-decision', decision: event };
    case 'synchronized': {
      // A job that verifies begins with it at once, and nobody may take that moment for the end of its work.
      const isVerifying = view.plan?.verifies === true && view.verified === null;
      return { ...view, state: isVerifying ? 'verifying' : 'synchronized', decision: null };
    }
    case 'verified':
      return { ...view, state: 'synchronized', verified: event };
    case 'committed':
      return { ...view, state: 'committed', decision: null };
    case 'finished':
      return { ...view, state: 'committed', decision: null, end: event };
    case 'undone':
    case 'failed':
      return { ...view, state: event.event, decision: null, end: event };
    case 'interrupted':
    case 'graduated':
    case 'warning':
      return view;
  }
}

/** What the service says of it now. A job that has ended stays so. */
export function afterStatus(view: JobView, status: JobStatus | StatusLine): JobView {
  if (view.end !== null) return view;
  const { state, device, speed, cutOver, progress, decision } = status;
  // A job that starts does not say whether it is paused.
  const isPaused = state === 'paused' || (state !== 'copying' && view.isPaused);
  return {
    ...view,
    ...{ state, isPaused, speed, cutOver },
    device: device ?? view.device,
    progress: view.progress ?? (progress?.event === 'progress' ? progress : null),
    decision: decision?.event === 'decision' ? decision : null,
  };
}

/** Which of the last three screens shows it. */
export type JobStage = 'moving' | 'crossed' | 'ended';

export function stageOf({ state, end }: JobView): JobStage {
  if (end !== null) return 'ended';
  return state === 'synchronized' || state === 'cutting-over' || state === 'committed' ? 'crossed' : 'moving';
}

/** Before the first progress of a job whose plan is known, that nothing has crossed: it fills the same place. */
export function shownProgress({ progress, plan, job, log }: JobView): JobEventOf<'progress'> | null {
  if (progress !== null || plan === null) return progress;
  const { sizeBytes } = plan.source;
  return {
    ...{ event: 'progress', job, timeMs: log[0]?.timeMs ?? 0, phase: 'starting' },
    ...{ copiedBytes: 0, redirectedBytes: 0, skippedBytes: 0, totalBytes: sizeBytes, pendingBytes: sizeBytes },
    ...{ unreadableBytes: 0, toReturnBytes: 0, directBytes: 0, verifiedBytes: 0, copyBytesPerSecond: 0 },
    consumer: { readIops: 0, writeIops: 0, p50Us: 0, p99Us: 0, longestStallMs: 0 },
    etaSeconds: null,
  };
}
