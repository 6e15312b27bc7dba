/** The first screen: moves that have stopped, those that run, what this machine allows, and a new move. */
import type { ReactElement } from 'react';
import type { StatusLine } from '../../app/contract/control.ts';
import { ActionButton } from '../components/action-button.tsx';
import { useQuestion } from '../components/question.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { stageOf } from '../state/job-view.ts';
import { isBusy } from '../state/wizard-state.ts';
import type { WizardState } from '../state/wizard-state.ts';
import { percentText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { RecoverBackQuestion } from './job-actions.tsx';
import { Screen } from './screen.tsx';
import { WatchRefused } from './watch-refused.tsx';

export function StartScreen(): ReactElement {
  const wizard = useWizard();
  const service = useWizardState((state) => state.service);
  const newMove = (
    <ActionButton kind="main" onPress={() => wizard.beginAnew()}>
      {text('actions.newMove')}
    </ActionButton>
  );
  return (
    <Screen
      title={text('start.title')}
      lead={text('start.lead')}
      actions={service.state === 'connected' ? newMove : undefined}
    >
      <RefusalOf errand="start" />
      {service.state === 'connecting' && <p role="status">{text('start.connecting')}</p>}
      {service.state === 'absent' && <ServiceAbsent service={service} />}
      {service.state === 'host-gone' && <HostGone service={service} />}
      {service.state === 'connected' && (
        <>
          <WatchRefused title={text('start.notListed')} />
          <Jobs />
          <HowItGoes />
          <Machine service={service} />
        </>
      )}
    </Screen>
  );
}

type Service<State> = Extract<WizardState['service'], { state: State }>;

/** Nothing can be asked for here, nor started. */
function HostGone({ service: { refusal } }: { readonly service: Service<'host-gone'> }): ReactElement {
  return (
    <div className="box amber" role="alert">
      <h2>{text('start.hostGone')}</h2>
      <p className="breakable">{refusal.message.replace(/\.?$/, '.')}</p>
      <p>{refusal.advice}</p>
    </div>
  );
}

function ServiceAbsent({ service: { refusal } }: { readonly service: Service<'absent'> }): ReactElement {
  const wizard = useWizard();
  const isStarting = useWizardState((state) => isBusy(state, 'service'));
  const canBeStarted = refusal.code === 'no-service';
  return (
    <>
      <div className="box amber" role="alert">
        <h2>{text('start.absent')}</h2>
        <p className="breakable">{refusal.message.replace(/\.?$/, '.')}</p>
        <p>{canBeStarted ? text('start.absentWhy') : refusal.advice}</p>
      </div>
      {canBeStarted && (
        <>
          <RefusalOf errand="service" />
          <div className="row">
            <ActionButton kind="main" isBusy={isStarting} onPress={() => void wizard.startService()}>
              {text('start.absentStart')}
            </ActionButton>
            <span className="soft" role="status">
              {text(isStarting ? 'app.working' : 'start.absentAsks')}
            </span>
          </div>
          <p>
            {text('start.absentHow')} <code>sudo systemctl start diskferryd</code>
          </p>
          <p className="soft">{text('start.absentWait')}</p>
        </>
      )}
    </>
  );
}

function Jobs(): ReactElement {
  const lines = useWizardState((state) => state.lines);
  const jobs = useWizardState((state) => state.jobs);
  const stopped = lines.filter(({ state }) => state === 'died');
  const running = lines.filter(({ state }) => state !== 'died');
  const listed = new Set(lines.map(({ job }) => job));
  const ended = Object.values(jobs).filter((view) => stageOf(view) === 'ended' && !listed.has(view.job));
  return (
    <>
      {stopped.length > 0 && (
        <section>
          <h2>{text('start.unfinished')}</h2>
          <ul className="cards">{stopped.map((line) => <StoppedJob key={line.job} line={line} />)}</ul>
        </section>
      )}
      <section>
        <h2>{text('start.running')}</h2>
        {running.length === 0 && <NoneRuns />}
        <ul className="cards">{running.map((line) => <RunningJob key={line.job} line={line} />)}</ul>
      </section>
      {ended.length > 0 && (
        <section>
          <h2>{text('start.ended')}</h2>
          <ul className="cards">
            {ended.map(({ job, plan, state }) => (
              <JobCard key={job} job={job} source={plan?.source.path ?? null} destination={plan?.destination.path ?? null}>
                {text(`job.states.${state}`)}
              </JobCard>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** Said only when the service has: somebody may want to switch the machine off. */
function NoneRuns(): ReactElement | null {
  const isListed = useWizardState((state) => state.isListed);
  const isRefused = useWizardState((state) => state.refusals.watch !== undefined);
  if (isRefused) return null;
  return <p className="soft">{text(isListed ? 'start.none' : 'start.listing')}</p>;
}

function RunningJob({ line }: { readonly line: StatusLine }): ReactElement {
  const { progress, state } = line;
  const isSilent = state === 'not-answering';
  const done =
    progress?.event === 'progress'
      ? `, ${text('job.percent', { percent: percentText(progress.totalBytes - progress.pendingBytes, progress.totalBytes) })}`
      : '';
  return (
    <JobCard {...line}>
      {isSilent ? text('start.notAnswering') : `${text(`job.states.${state}`)}${done}`}
    </JobCard>
  );
}

interface JobCardProps extends Pick<StatusLine, 'job' | 'source' | 'destination'> {
  readonly children: string;
}

function JobCard({ job, source, destination, children }: JobCardProps): ReactElement {
  const wizard = useWizard();
  return (
    <li className="card">
      <div>
        <strong className="breakable">{fromTo(source, destination, job)}</strong>
        <p className="soft">{children}</p>
      </div>
      <ActionButton onPress={() => wizard.go({ at: 'job', job })}>{text('actions.open')}</ActionButton>
    </li>
  );
}

function fromTo(source: string | null, destination: string | null, job: string): string {
  if (source === null || destination === null) return job;
  return text('start.fromTo', { source, destination });
}

function StoppedJob({ line: { job, source, destination } }: { readonly line: StatusLine }): ReactElement {
  const wizard = useWizard();
  const isPending = useWizardState((state) => isBusy(state, `recover:${job}`));
  const asking = useQuestion();
  return (
    <li className="card">
      <div>
        <strong className="breakable">{fromTo(source, destination, job)}</strong>
        <p className="soft">{text('start.died')}</p>
      </div>
      <div className="card-actions">
        <ActionButton kind="main" isBusy={isPending} onPress={() => void wizard.recover(job, { goesBack: false })}>
          {text('actions.resume')}
        </ActionButton>
        <ActionButton isBusy={isPending} onPress={asking.ask}>
          {text('actions.goBack')}
        </ActionButton>
      </div>
      <RefusalOf errand={`recover:${job}`} />
      <RecoverBackQuestion job={job} asking={asking} />
    </li>
  );
}

const stages = ['choose', 'moves', 'cutOver'] as const;

/** For those who are here for the first time; whoever has a move has seen it. */
function HowItGoes(): ReactElement | null {
  const isNew = useWizardState(({ lines, jobs, isListed }) => isListed && lines.length === 0 && Object.keys(jobs).length === 0);
  if (!isNew) return null;
  return (
    <section>
      <h2>{text('start.how')}</h2>
      <ol className="how">
        {stages.map((stage) => (
          <li key={stage}>
            <strong>{text(`start.stages.${stage}.name`)}</strong>
            <span className="soft">{text(`start.stages.${stage}.means`)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Machine({ service }: { readonly service: Service<'connected'> }): ReactElement {
  const { version, hasPolkit, notes } = service;
  const lines = [text('start.version', { version }), text(hasPolkit ? 'start.polkit' : 'start.noPolkit'), ...notes];
  return (
    <section>
      <h2>{text('start.machine')}</h2>
      <ul className="plain-list soft">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}
