/**
 * All that the wizard shows, and the one pure function that changes it. Nothing here knows React, the host or the
 * clock; the same changes in the same order always give the same state.
 */
import type { Refusal, ServiceState } from '../../app/contract/bridge.ts';
import type { JobStatus, StatusLine } from '../../app/contract/control.ts';
import type { JobEvent } from '../../app/contract/events.ts';
import type { ServiceResult } from '../../app/contract/service.ts';
import type { Choice, Marks, PlanQuestion } from './choice.ts';
import { choiceAfter, choiceAmong, firstChoice, marksOf, noMarks, questionKey, questionOf } from './choice.ts';
import type { JobView } from './job-view.ts';
import { afterEvent, afterPast, afterStatus, newJob } from './job-view.ts';
import type { StartOutcome } from './refused-start.ts';
import { outcomeOf } from './refused-start.ts';

/** Where the person is. Which screen shows a job depends on how far it is (`stageOf`). */
export type Place =
  | { readonly at: 'start' | 'source' | 'destination' | 'plan' | 'confirm' }
  | { readonly at: 'job'; readonly job: string };

/** What is being asked of the service, as each shows it where it was asked. */
export type Errand =
  | 'service'
  | 'watch'
  | 'devices'
  | 'plan'
  | 'start'
  | 'report'
  | `job:${string}`
  | `recover:${string}`;

/** How many events of each job have been heard, but for its progress. */
export type Heard = Readonly<Record<string, number>>;

export interface WizardState {
  readonly service: ServiceState | { readonly state: 'connecting' };
  readonly place: Place;
  readonly devices: ServiceResult<'devices'> | null;
  readonly choice: Choice;
  readonly marks: Marks;
  /** The disk that was chosen and is not there any more, until another one is chosen. */
  readonly lost: string | null;
  readonly planned: ServiceResult<'plan'> | null;
  readonly jobs: Readonly<Record<string, JobView>>;
  readonly heard: Heard;
  /** As the service lists them: those that run, and those that have died. */
  readonly lines: readonly StatusLine[];
  /** On this connection: until then nobody knows whether a move runs. */
  readonly isListed: boolean;
  readonly report: ServiceResult<'report'> | null;
  /** The machine that the page is shown on, where its host tells. */
  readonly isOnBattery: boolean;
  readonly busy: readonly Errand[];
  readonly refusals: Readonly<Partial<Record<Errand, Refusal>>>;
}

export const firstState: WizardState = {
  service: { state: 'connecting' },
  place: { at: 'start' },
  devices: null,
  choice: firstChoice,
  marks: noMarks,
  lost: null,
  planned: null,
  jobs: {},
  heard: {},
  lines: [],
  isListed: false,
  report: null,
  isOnBattery: false,
  busy: [],
  refusals: {},
};

export type Change =
  | { readonly type: 'service'; readonly service: ServiceState }
  | { readonly type: 'event' | 'past'; readonly event: JobEvent }
  /** `heard`: when it was asked for. What has happened since is not undone by it. */
  | { readonly type: 'listed'; readonly lines: readonly StatusLine[]; readonly heard: Heard }
  | { readonly type: 'status'; readonly status: JobStatus; readonly heard: Heard }
  /** The service knows nothing of it any more. */
  | { readonly type: 'gone'; readonly job: string }
  | { readonly type: 'devices'; readonly devices: ServiceResult<'devices'> }
  | { readonly type: 'chosen'; readonly choice: Partial<Choice> }
  | { readonly type: 'planned'; readonly question: PlanQuestion; readonly planned: ServiceResult<'plan'> }
  | { readonly type: 'report'; readonly report: ServiceResult<'report'> }
  | { readonly type: 'placed'; readonly place: Place }
  | { readonly type: 'power'; readonly isOnBattery: boolean }
  | { readonly type: 'asked'; readonly errand: Errand }
  | { readonly type: 'answered'; readonly errand: Errand; readonly refusal: Refusal | null };

export function reduce(state: WizardState, change: Change): WizardState {
  switch (change.type) {
    case 'service':
      return { ...state, service: change.service, isListed: false };
    case 'event':
      return withJob(withHeard(state, change.event), change.event.job, (view) => afterEvent(view, change.event));
    case 'past':
      return withJob(withHeard(state, change.event), change.event.job, (view) => afterPast(view, change.event));
    case 'status':
      return withStatus(state, change.status, change.heard);
    case 'listed': {
      const now = { ...state, lines: change.lines, isListed: true };
      return change.lines.reduce((next, line) => withStatus(next, line, change.heard), now);
    }
    case 'gone':
      return withJob(state, change.job, (view) => ({ ...view, state: 'not-answering', decision: null }));
    case 'devices':
      return afterDevices(state, change.devices);
    case 'chosen':
      return afterChoice(state, change.choice);
    case 'planned':
      return afterPlan(state, change);
    case 'report':
      return { ...state, report: change.report };
    case 'placed':
      return { ...state, place: change.place, lost: null, refusals: ofTheClock(state) };
    case 'power':
      return { ...state, isOnBattery: change.isOnBattery };
    case 'asked':
      return { ...state, busy: [...state.busy, change.errand] };
    case 'answered':
      return afterAnswer(state, change);
  }
}

function withJob(state: WizardState, job: string, act: (view: JobView) => JobView): WizardState {
  return { ...state, jobs: { ...state.jobs, [job]: act(state.jobs[job] ?? newJob(job)) } };
}

/** Progress comes too often to count, and a status tells nothing older. */
function withHeard(state: WizardState, { event, job }: JobEvent): WizardState {
  if (event === 'progress') return state;
  return { ...state, heard: { ...state.heard, [job]: (state.heard[job] ?? 0) + 1 } };
}

/** Makes a job known as well of which nothing else has been told. */
function withStatus(state: WizardState, status: JobStatus | StatusLine, heard: Heard): WizardState {
  const { job } = status;
  if ((state.heard[job] ?? 0) !== (heard[job] ?? 0)) return state;
  return withJob(state, job, (view) => afterStatus(view, status));
}

/** A plan holds for what it was asked of; how it is carried out may still change. */
function withChoice(state: WizardState, choice: Choice, marks: Marks): WizardState {
  const isOther = questionKey(questionOf({ choice, marks })) !== questionKey(questionOf(state));
  return { ...state, choice, marks, planned: isOther ? null : state.planned };
}

function afterChoice(state: WizardState, change: Partial<Choice>): WizardState {
  const choice = choiceAfter(state.choice, change);
  const found = marksOf(choice, state.devices?.trees ?? []);
  const isNew = { source: change.source !== undefined, destination: change.destination !== undefined };
  const marks = {
    source: isNew.source ? found.source : state.marks.source,
    destination: isNew.destination ? found.destination : state.marks.destination,
  };
  const lost = isNew.source || isNew.destination ? null : state.lost;
  return { ...withChoice(state, choice, marks), lost, refusals: ofTheClock(state) };
}

/** Refusals of what was asked elsewhere say nothing here. That moves cannot be watched does, wherever one is. */
function ofTheClock({ refusals: { watch } }: WizardState): WizardState['refusals'] {
  return watch === undefined ? {} : { watch };
}

/** Of what was chosen before, it is no plan any more. */
function afterPlan(state: WizardState, { question, planned }: Extract<Change, { type: 'planned' }>): WizardState {
  return questionKey(question) === questionKey(questionOf(state)) ? { ...state, planned } : state;
}

/** A disk that is gone is chosen no longer, and what follows from it is not shown any more. */
function afterDevices(state: WizardState, devices: ServiceResult<'devices'>): WizardState {
  const { choice: before, place } = state;
  const choice = choiceAmong(state, devices.trees);
  const after = { ...withChoice(state, choice, marksOf(choice, devices.trees)), devices };
  if (choice.source !== before.source) return { ...after, lost: before.source, place: notBeyond('source', place) };
  if (choice.destination === before.destination) return after;
  return { ...after, lost: before.destination, place: notBeyond('destination', place) };
}

const choosing: readonly Place['at'][] = ['source', 'destination', 'plan', 'confirm'];

function notBeyond(at: 'source' | 'destination', place: Place): Place {
  return choosing.indexOf(place.at) > choosing.indexOf(at) ? { at } : place;
}

function afterAnswer(
  state: WizardState,
  { errand, refusal }: Extract<Change, { type: 'answered' }>,
): WizardState {
  const index = state.busy.indexOf(errand);
  const busy = state.busy.filter((_, at) => at !== index);
  const after = { ...state, busy, refusals: { ...state.refusals, [errand]: refusal ?? undefined } };
  return errand === 'start' && refusal !== null ? afterRefusedStart(after, outcomeOf(refusal)) : after;
}

/** Whatever is left to press afterwards is of what the person sees then. */
function afterRefusedStart(state: WizardState, outcome: StartOutcome): WizardState {
  const to = (at: 'plan' | 'destination' | 'start'): Place => (state.place.at === 'confirm' ? { at } : state.place);
  switch (outcome) {
    case 'kept':
      return state;
    case 'spent':
      return { ...state, planned: null, place: to('plan') };
    case 'changed': {
      const choice = choiceAfter(state.choice, { destination: null });
      return { ...withChoice(state, choice, { ...state.marks, destination: null }), place: to('destination') };
    }
    case 'lost':
      return { ...withChoice(state, firstChoice, noMarks), place: to('start') };
  }
}

/** Nobody hears what is asked now. */
export function isAway({ service }: WizardState): boolean {
  return service.state === 'absent' || service.state === 'host-gone';
}

export function isBusy({ busy }: WizardState, errand: Errand): boolean {
  return busy.includes(errand);
}
