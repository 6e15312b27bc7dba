/**
 * All that the wizard shows, and the one pure function that changes it. Nothing here knows React, the host or the
 * clock; the same changes in the same order always give the same state.
 */
import type { Refusal, ServiceState } from '../../app/contract/bridge.ts';
import type { JobStatus, StatusLine } from '../../app/contract/control.ts';
import type { JobEvent } from '../../app/contract/events.ts';
import type { Speed } from '../../app/contract/plan.ts';
import type { ServiceResult } from '../../app/contract/service.ts';
import type { JobView } from './job-view.ts';
import { afterEvent, afterStatus, newJob } from './job-view.ts';

/** Where the person is. Which screen shows a job depends on how far it is (`stageOf`). */
export type Place =
  | { readonly at: 'start' | 'source' | 'destination' | 'plan' | 'confirm' }
  | { readonly at: 'job'; readonly job: string };

/** What the person has chosen so far. Nothing is ever chosen for them. */
export interface Choice {
  readonly source: string | null;
  readonly destination: string | null;
  readonly verifies: boolean;
  readonly speed: Speed;
  /** Units of systemd to stop while the volume is put in place. */
  readonly units: readonly string[];
  /** For disks of which the service keeps no journal yet, after a warning. */
  readonly allowsNoJournal: boolean;
}

/** What is being asked of the service, as each shows it where it was asked. */
export type Errand = 'service' | 'watch' | 'devices' | 'plan' | 'start' | 'job' | 'report';

export interface WizardState {
  readonly service: ServiceState | { readonly state: 'connecting' };
  readonly place: Place;
  readonly devices: ServiceResult<'devices'> | null;
  readonly choice: Choice;
  readonly planned: ServiceResult<'plan'> | null;
  readonly jobs: Readonly<Record<string, JobView>>;
  /** As the service lists them: those that run, and those that have died. */
  readonly lines: readonly StatusLine[];
  readonly report: ServiceResult<'report'> | null;
  readonly busy: readonly Errand[];
  readonly refusals: Readonly<Partial<Record<Errand, Refusal>>>;
}

export const firstChoice: Choice = {
  source: null,
  destination: null,
  verifies: true,
  speed: 'balanced',
  units: [],
  allowsNoJournal: false,
};

export const firstState: WizardState = {
  service: { state: 'connecting' },
  place: { at: 'start' },
  devices: null,
  choice: firstChoice,
  planned: null,
  jobs: {},
  lines: [],
  report: null,
  busy: [],
  refusals: {},
};

export type Change =
  | { readonly type: 'service'; readonly service: ServiceState }
  | { readonly type: 'event'; readonly event: JobEvent }
  | { readonly type: 'listed'; readonly lines: readonly StatusLine[] }
  | { readonly type: 'status'; readonly status: JobStatus }
  | { readonly type: 'devices'; readonly devices: ServiceResult<'devices'> }
  | { readonly type: 'chosen'; readonly choice: Partial<Choice> }
  | { readonly type: 'planned'; readonly planned: ServiceResult<'plan'> }
  | { readonly type: 'report'; readonly report: ServiceResult<'report'> }
  | { readonly type: 'placed'; readonly place: Place }
  | { readonly type: 'asked'; readonly errand: Errand }
  | { readonly type: 'answered'; readonly errand: Errand; readonly refusal: Refusal | null };

export function reduce(state: WizardState, change: Change): WizardState {
  switch (change.type) {
    case 'service':
      return { ...state, service: change.service };
    case 'event':
      return withJob(state, change.event.job, (view) => afterEvent(view, change.event));
    case 'status':
      return withJob(state, change.status.job, (view) => afterStatus(view, change.status));
    case 'listed':
      return afterList(state, change.lines);
    case 'devices':
      return afterDevices(state, change.devices);
    case 'chosen':
      return afterChoice(state, change.choice);
    case 'planned':
      return { ...state, planned: change.planned };
    case 'report':
      return { ...state, report: change.report };
    case 'placed':
      return { ...state, place: change.place, refusals: {} };
    case 'asked':
      return { ...state, busy: [...state.busy, change.errand] };
    case 'answered':
      return afterAnswer(state, change);
  }
}

function withJob(state: WizardState, job: string, act: (view: JobView) => JobView): WizardState {
  return { ...state, jobs: { ...state.jobs, [job]: act(state.jobs[job] ?? newJob(job)) } };
}

/** A plan holds for what it was made of; how it is carried out may still change. */
const madeOf: readonly (keyof Choice)[] = ['source', 'destination', 'verifies', 'allowsNoJournal'];

function afterChoice(state: WizardState, choice: Partial<Choice>): WizardState {
  const isOther = madeOf.some((key) => choice[key] !== undefined && choice[key] !== state.choice[key]);
  const planned = isOther ? null : state.planned;
  return { ...state, choice: { ...state.choice, ...choice }, planned, refusals: {} };
}

/** Jobs that have died are shown with their lines alone: nobody hears of them. */
function afterList(state: WizardState, lines: readonly StatusLine[]): WizardState {
  const heard = lines.filter(({ job, state: at }) => at !== 'died' && state.jobs[job] !== undefined);
  const listed = heard.reduce((now, line) => withJob(now, line.job, (view) => afterStatus(view, line)), state);
  return { ...listed, lines };
}

/** A disk that is gone is chosen no longer: under its name another may come. */
function afterDevices(state: WizardState, devices: ServiceResult<'devices'>): WizardState {
  const paths = new Set(devices.trees.flatMap(pathsOf));
  const kept = (path: string | null): string | null => (path !== null && paths.has(path) ? path : null);
  const { source, destination } = state.choice;
  const choice = { ...state.choice, source: kept(source), destination: kept(destination) };
  return { ...state, devices, choice };
}

type Tree = ServiceResult<'devices'>['trees'][number];

function pathsOf(tree: Tree): string[] {
  return [tree.path, ...tree.children.flatMap(pathsOf)];
}

function afterAnswer(
  state: WizardState,
  { errand, refusal }: Extract<Change, { type: 'answered' }>,
): WizardState {
  const index = state.busy.indexOf(errand);
  const busy = state.busy.filter((_, at) => at !== index);
  return { ...state, busy, refusals: { ...state.refusals, [errand]: refusal ?? undefined } };
}

export function isBusy({ busy }: WizardState, errand: Errand): boolean {
  return busy.includes(errand);
}

/** Of all trees, with everything that lies on them. */
export function findDevice(trees: readonly Tree[], path: string | null): Tree | undefined {
  for (const tree of trees) {
    if (tree.path === path) return tree;
    const below = findDevice(tree.children, path);
    if (below !== undefined) return below;
  }
  return undefined;
}
