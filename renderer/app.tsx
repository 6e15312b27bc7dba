/** The window: the steps, both disks, and the screen of the place where the person is. */
import type { ReactElement } from 'react';
import type { NamedDisk, PairState, ShownDisk } from './components/disk-pair.tsx';
import { DiskPair } from './components/disk-pair.tsx';
import type { Step } from './components/step-list.tsx';
import { StepList } from './components/step-list.tsx';
import { useWizardState } from './components/wizard-context.ts';
import { SourceScreen, DestinationScreen } from './screens/choose-screen.tsx';
import { ConfirmScreen } from './screens/confirm-screen.tsx';
import { CutOverScreen } from './screens/cut-over-screen.tsx';
import { DoneScreen } from './screens/done-screen.tsx';
import { MigrateScreen } from './screens/migrate-screen.tsx';
import { PlanScreen } from './screens/plan-screen.tsx';
import { StartScreen } from './screens/start-screen.tsx';
import { WatchRefused } from './screens/watch-refused.tsx';
import type { JobView } from './state/job-view.ts';
import { newJob, stageOf } from './state/job-view.ts';
import type { WizardState } from './state/wizard-state.ts';
import { findDevice } from './state/choice.ts';
import { text } from './text/text.ts';

export function App(): ReactElement {
  const state = useWizardState((all) => all);
  const step = stepOf(state);
  const view = jobOf(state);
  return (
    <div className="window">
      <header>
        <p className="brand">{text('app.name')}</p>
        <StepList
          current={step}
          leftOut={view === null ? [] : stepsLeftOut(view)}
          isComplete={view?.end?.event === 'finished'}
        />
      </header>
      <main>
        {step !== 'start' && <Disks state={state} />}
        {step !== 'start' && <Offline service={state.service} />}
        <OnBattery isShown={state.isOnBattery && riskySteps.includes(step)} />
        {view !== null && view.end === null && state.service.state === 'connected' && <WatchRefused title={text('app.notTold')} />}
        <CurrentScreen state={state} step={step} />
      </main>
    </div>
  );
}

/** A job that nobody has spoken of yet is about to be. */
function jobOf({ place, jobs }: WizardState): JobView | null {
  return place.at === 'job' ? (jobs[place.job] ?? newJob(place.job)) : null;
}

const stepsOfStages = { moving: 'migrate', crossed: 'cutOver', ended: 'done' } as const;

export function stepOf(state: WizardState): Step {
  const { place, planned, choice } = state;
  const view = jobOf(state);
  if (view !== null) return stepsOfStages[stageOf(view)];
  if (place.at === 'job') return 'migrate';
  if (place.at !== 'start' && place.at !== 'source' && choice.source === null) return 'source';
  if ((place.at === 'plan' || place.at === 'confirm') && choice.destination === null) return 'destination';
  // Nothing is confirmed that is not shown; after a reconnection a plan may be gone.
  if (place.at === 'confirm' && planned === null) return 'plan';
  return place.at;
}

/** Of a job that has ended: what it did not come to. */
export function stepsLeftOut({ end, log }: JobView): readonly Step[] {
  if (end === null || end.event === 'finished') return [];
  const hasCrossed = log.some(({ event }) => event === 'synchronized');
  const hasCommitted = log.some(({ event }) => event === 'committed');
  if (hasCommitted) return [];
  return hasCrossed ? ['cutOver'] : ['migrate', 'cutOver'];
}

function Offline({ service }: Pick<WizardState, 'service'>): ReactElement {
  const isAway = service.state !== 'connected';
  const words = service.state === 'host-gone' ? 'app.hostGone' : 'app.offline';
  return (
    <div className={isAway ? 'box amber' : 'unseen'} role="status">
      {isAway ? text(words) : ''}
    </div>
  );
}

/** Where a move runs, or begins with the next press. */
const riskySteps: readonly Step[] = ['confirm', 'migrate', 'cutOver'];

function OnBattery({ isShown }: { readonly isShown: boolean }): ReactElement {
  return (
    <div className={isShown ? 'box amber' : 'unseen'} role="status">
      {isShown ? text('app.onBattery') : ''}
    </div>
  );
}

function CurrentScreen({ state, step }: { readonly state: WizardState; readonly step: Step }): ReactElement {
  const view = jobOf(state);
  if (view !== null) return <JobScreen key={view.job} view={view} />;
  if (step === 'source') return <SourceScreen />;
  if (step === 'destination') return <DestinationScreen />;
  if (step === 'plan') return <PlanScreen />;
  if (step === 'confirm' && state.planned !== null) {
    // What was typed for one plan is not there for another.
    return <ConfirmScreen key={state.planned.token} planned={state.planned} />;
  }
  return <StartScreen />;
}

function JobScreen({ view }: { readonly view: JobView }): ReactElement {
  if (view.end !== null) return <DoneScreen view={view} end={view.end} />;
  return stageOf(view) === 'crossed' ? <CutOverScreen view={view} /> : <MigrateScreen view={view} />;
}

function Disks({ state }: { readonly state: WizardState }): ReactElement {
  const view = jobOf(state);
  const plan = view === null ? (state.planned?.plan ?? null) : view.plan;
  const chosen = (path: string | null): ShownDisk | null => findDevice(state.devices?.trees ?? [], path) ?? null;
  const isJob = state.place.at === 'job';
  const named = (path: string | null | undefined): NamedDisk | null => (typeof path === 'string' ? { path } : null);
  const source = plan?.source ?? (isJob ? named(view?.source) : chosen(state.choice.source));
  const destination = plan?.destination ?? (isJob ? named(view?.destination) : chosen(state.choice.destination));
  return <DiskPair source={source} destination={destination} state={pairStateOf(view)} />;
}

function pairStateOf(view: JobView | null): PairState {
  if (view === null) return 'choosing';
  if (view.end?.event === 'finished') return 'moved';
  return view.end?.event === 'undone' ? 'undone' : 'moving';
}
