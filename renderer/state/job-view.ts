/**
 * What the wizard knows of one job: made from its events by one pure function, and from what the service says of
 * its state. The events tell what has happened; the state says what the job is doing and waits for, also where
 * another client has decided meanwhile.
 *
 * Events come in their order and each once; after a new connection all of them come again, from `planned` on, as the
 * past.
 */
import type { JobStatus, StatusLine } from '../../app/contract/control.ts';
import type { JobEvent, JobEventOf, JobPhase } from '../../app/contract/events.ts';
import type { Plan, Speed } from '../../app/contract/plan.ts';
import { planWarningCodes } from '../../app/contract/plan.ts';
import type { Forecast } from './job-forecast.ts';
import { nextForecast, noForecast } from './job-forecast.ts';
import type { Samples } from './job-samples.ts';
import { addSample, noSamples } from './job-samples.ts';

export type LastEvent = JobEventOf<'finished' | 'undone' | 'failed'>;
export type Warning = JobEventOf<'warning'>;

export interface JobView {
  readonly job: string;
  readonly state: StatusLine['state'];
  /** Also while it starts, when it shows as starting still. */
  readonly isPaused: boolean;
  readonly plan: Plan | null;
  /** Paths, as the service lists them: also of a job whose plan nobody has told. */
  readonly source: string | null;
  readonly destination: string | null;
  /** It goes on after a crash: all that has crossed counts as written by programs, because some of it may be. */
  readonly isRecovered: boolean;
  readonly device: string | null;
  readonly speed: Speed | null;
  readonly progress: JobEventOf<'progress'> | null;
  readonly samples: Samples;
  readonly forecast: Forecast;
  readonly decision: JobEventOf<'decision'> | null;
  /** In which phase the job waits for a decision, once it has told. */
  readonly waitsIn: JobPhase | null;
  readonly cutOver: readonly string[];
  readonly verified: JobEventOf<'verified'> | null;
  /** It has been verified, or the service said that it waits for its cut-over. */
  readonly hasCrossed: boolean;
  /** What is waited for: the cut-over or the way back goes on by itself when nobody uses the volume. */
  readonly letGo: Warning | null;
  /** Of the source, what could not be read, and is zeroes on the destination by somebody's word. */
  readonly acceptedBytes: number;
  /** What nobody could know before the start, the oldest first. */
  readonly warnings: readonly Warning[];
  readonly end: LastEvent | null;
  /** All but progress, the oldest first. */
  readonly log: readonly JobEvent[];
}

/** Somebody may pause and resume without end. The first one stays: it is the plan. */
export const logMax = 300;

export const warningsMax = 20;

export function newJob(job: string): JobView {
  return {
    job,
    state: 'starting',
    isPaused: false,
    plan: null,
    source: null,
    destination: null,
    isRecovered: false,
    device: null,
    speed: null,
    progress: null,
    samples: noSamples,
    forecast: noForecast,
    decision: null,
    waitsIn: null,
    cutOver: [],
    verified: null,
    hasCrossed: false,
    letGo: null,
    acceptedBytes: 0,
    warnings: [],
    end: null,
    log: [],
  };
}

export function afterEvent(view: JobView, event: JobEvent): JobView {
  return event.event === 'progress' ? afterProgress(view, event) : afterHappening(logged(view, event), event);
}

/** Of the past: what was to be decided then may have been, and no event says so. The service's status does. */
export function afterPast(view: JobView, event: JobEvent): JobView {
  return event.event === 'decision' ? logged(view, event) : afterEvent(view, event);
}

function logged(view: JobView, event: JobEvent): JobView {
  const [first] = view.log;
  const isFull = view.log.length >= logMax && first !== undefined;
  return { ...view, log: isFull ? [first, ...view.log.slice(2), event] : [...view.log, event] };
}

/**
 * Progress goes on while a job is paused or waits for a decision. The latter ends with another phase than the first that it
 * has told since: what it told before may be older than what has failed.
 */
function afterProgress(view: JobView, event: JobEventOf<'progress'>): JobView {
  const samePhase = view.waitsIn === null || view.waitsIn === event.phase;
  const isWaiting = view.state === 'needs-decision' && samePhase;
  const state = view.end !== null || isWaiting ? view.state : stateIn(event.phase, view);
  const hasTurnedBack = state === 'undoing' && view.state !== 'undoing';
  const forecast = nextForecast(view.forecast, event);
  return {
    ...view,
    state,
    letGo: hasTurnedBack ? null : view.letGo,
    decision: state === 'needs-decision' ? view.decision : null,
    waitsIn: isWaiting ? event.phase : null,
    progress: event,
    samples: addSample(view.samples, event),
    forecast: mustMove.includes(state) ? forecast : { ...forecast, movedMs: event.timeMs },
  };
}

/** In other states nothing stalls. */
const mustMove: readonly JobView['state'][] = ['copying', 'verifying', 'undoing'];

function stateIn(phase: JobPhase, view: JobView): JobView['state'] {
  if (phase === 'copying') return view.isPaused ? 'paused' : phase;
  // A job that verifies begins with it at once, and nobody may take that moment for the end of its work.
  const mustVerify = phase === 'synchronized' && view.plan?.verifies === true && !view.hasCrossed;
  return mustVerify ? 'verifying' : phase;
}

function afterHappening(view: JobView, event: Exclude<JobEvent, { event: 'progress' }>): JobView {
  switch (event.event) {
    case 'planned':
      return fromTheBeginning(view, event);
    case 'attached':
      return { ...view, device: event.device };
    case 'paused':
      return { ...view, state: 'paused', isPaused: true };
    case 'resumed':
      return { ...view, state: 'copying', isPaused: false };
    case 'decision':
      return { ...view, state: 'needs-decision', decision: event, waitsIn: null };
    case 'synchronized':
      return { ...view, state: stateIn('synchronized', view), decision: null, acceptedBytes: event.acceptedBytes ?? 0 };
    case 'verified':
      return { ...view, state: 'synchronized', verified: event, hasCrossed: true };
    case 'committed':
      return { ...view, state: 'committed', decision: null, letGo: null };
    case 'finished':
      return { ...view, state: 'committed', decision: null, letGo: null, end: event };
    case 'undone':
    case 'failed':
      return { ...view, state: event.event, decision: null, letGo: null, end: event };
    case 'warning':
      return afterWarning(view, event);
    case 'interrupted':
    case 'graduated':
      return view;
  }
}

/** What was known is of an earlier connection, but for the charts. */
function fromTheBeginning({ job, samples }: JobView, planned: JobEventOf<'planned'>): JobView {
  const { plan, isRecovered = false } = planned;
  const paths = { source: plan.source.path, destination: plan.destination.path };
  return { ...newJob(job), ...paths, samples, plan, isRecovered, log: [planned] };
}

const shownBefore: readonly string[] = planWarningCodes;

function afterWarning(view: JobView, warning: Warning): JobView {
  if (warning.code === 'volume-busy') return { ...view, letGo: warning };
  if (shownBefore.includes(warning.code)) return view;
  return { ...view, warnings: [...view.warnings, warning].slice(-warningsMax) };
}

/** What the service says of it now. A job that has ended stays so. */
export function afterStatus(view: JobView, status: JobStatus | StatusLine): JobView {
  if (view.end !== null) return view;
  const { state, device, speed, cutOver, progress, decision, source, destination } = status;
  // A job that starts does not say whether it is paused.
  const isPaused = state === 'paused' || (state !== 'copying' && view.isPaused);
  return {
    ...view,
    ...{ state, isPaused, speed, cutOver },
    ...{ source: source ?? view.source, destination: destination ?? view.destination },
    hasCrossed: view.hasCrossed || state === 'synchronized' || state === 'cutting-over',
    device: device ?? view.device,
    progress: view.progress ?? (progress?.event === 'progress' ? progress : null),
    decision: decision?.event === 'decision' ? decision : null,
  };
}

/** The cut-over, or what is left of the way back, goes on by itself when nobody uses the volume. */
export function waitsToBeLetGo({ letGo, state, progress }: JobView): boolean {
  if (letGo === null) return false;
  const isReturning = state === 'undoing' && (progress?.toReturnBytes ?? 0) > 0;
  return !isReturning && ['synchronized', 'cutting-over', 'undoing'].includes(state);
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
