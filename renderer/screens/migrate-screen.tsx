/** A job on its way: how far it is, how long it still takes, what it does to programs, and how to steer it. */
import type { ReactElement } from 'react';
import { Button } from 'react-aria-components/Button';
import { Disclosure, DisclosurePanel } from 'react-aria-components/Disclosure';
import { Label } from 'react-aria-components/Label';
import { ProgressBar } from 'react-aria-components/ProgressBar';
import { eventSentence } from '../../app/contract/report/event-sentence.ts';
import type { JobEventOf } from '../../app/contract/events.ts';
import { ActionButton } from '../components/action-button.tsx';
import { BlockMap } from '../components/block-map.tsx';
import { byteSteps, Chart, waitSteps } from '../components/chart.tsx';
import { SpeedSwitch } from '../components/fields.tsx';
import { useQuestion } from '../components/question.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { stalledMs } from '../state/job-forecast.ts';
import type { JobView } from '../state/job-view.ts';
import { shownProgress, waitsToBeLetGo } from '../state/job-view.ts';
import type { Sample } from '../state/job-samples.ts';
import { isAway, isBusy } from '../state/wizard-state.ts';
import { bytesText, elapsedText, percentText, rangeText, rateText, waitText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { DecisionBox } from './decision-box.tsx';
import { RecoverBackQuestion, UndoQuestion, WaysOut } from './job-actions.tsx';
import { WarningBox } from './warning-box.tsx';
import { Screen } from './screen.tsx';

type Progress = JobEventOf<'progress'>;

export function MigrateScreen({ view }: { readonly view: JobView }): ReactElement {
  const { job, state, source, decision, device } = view;
  const progress = shownProgress(view);
  const asking = useQuestion();
  return (
    <Screen
      title={text('job.migrate', { source: source ?? job })}
      actions={state === 'died' ? <WaysOut job={job} onBack={asking.ask} /> : <Steering view={view} onStop={asking.ask} />}
    >
      <p className="state-line">
        <strong className={`badge ${state}`}>{text(`job.states.${state}`)}</strong>
        {decision === null && <span>{text(`job.means.${state}`)}</span>}
      </p>
      <RefusalOf errand={`job:${job}`} />
      <RefusalOf errand={`recover:${job}`} />
      {state === 'died' ? (
        <RecoverBackQuestion job={job} asking={asking} />
      ) : (
        <UndoQuestion view={view} asking={asking} />
      )}
      {decision !== null && <DecisionBox key={decision.timeMs} view={view} decision={decision} />}
      <WarningBox view={view} />
      {progress !== null && <ProgressPart view={view} progress={progress} />}
      {state !== 'died' && (
        <>
          {device !== null && <p className="soft breakable">{text('job.device', { device })}</p>}
          <p className="soft">{text('job.close')}</p>
        </>
      )}
      <Log view={view} />
    </Screen>
  );
}

/** Nothing is heard of the job: what it did last is no news of now. */
const silent: readonly JobView['state'][] = ['died', 'not-answering'];

function ProgressPart({ view, progress }: { readonly view: JobView; readonly progress: Progress }): ReactElement {
  return (
    <>
      <Bar view={view} progress={progress} />
      <Announcement view={view} progress={progress} />
      <Stall view={view} progress={progress} />
      {!silent.includes(view.state) && <Charts view={view} progress={progress} />}
      <BlockMap progress={progress} isCounted={view.isRecovered || progress.directBytes > 0} />
    </>
  );
}

/** Weighted by bytes, of what the job does now. */
interface Work {
  readonly done: number;
  readonly total: number;
  readonly words: string;
}

function workOf({ progress: first }: { readonly progress: Progress }): Work {
  const { phase, totalBytes: total, pendingBytes, toReturnBytes, verifiedBytes } = first;
  if (phase === 'verifying') {
    const words = text('job.readBack', { done: bytesText(verifiedBytes), total: bytesText(total) });
    return { done: verifiedBytes, total, words };
  }
  if (phase === 'undoing') {
    const words = text('job.returning', { left: bytesText(toReturnBytes) });
    return { done: total - toReturnBytes, total, words };
  }
  const done = total - pendingBytes;
  return { done, total, words: text('job.crossed', { done: bytesText(done), total: bytesText(total) }) };
}

function Bar({ view, progress }: { readonly view: JobView; readonly progress: Progress }): ReactElement {
  const { done, total, words } = workOf({ progress });
  const percent = percentText(done, total);
  const isWorking = !['paused', 'needs-decision', ...silent].includes(view.state);
  const beganMs = view.log[0]?.timeMs ?? progress.timeMs;
  return (
    <ProgressBar className="progress" value={Number(percent)} valueLabel={words}>
      <div className="progress-head">
        <Label>{text('job.progress')}</Label>
        <span className="percent figure">{text('job.percent', { percent })}</span>
      </div>
      <div className="progress-track">
        <div className="progress-fill" style={{ width: `${percent}%` }} />
      </div>
      <div className="progress-foot figure">
        <span>{words}</span>
        <span>{isWorking ? rangeText(view.forecast.range) : ''}</span>
        <span>{text('job.elapsed', { time: elapsedText(progress.timeMs - beganMs) })}</span>
      </div>
    </ProgressBar>
  );
}

/** For those who hear it: once for every tenth, and when the state changes. */
function Announcement({ view, progress }: { readonly view: JobView; readonly progress: Progress }): ReactElement {
  const { done, total } = workOf({ progress });
  const percent = total === 0 ? 0 : Math.floor((done / total) * 10) * 10;
  return (
    <p className="unseen" role="status">
      {text('job.announce', { state: text(`job.states.${view.state}`), percent })}
    </p>
  );
}

/** While nothing moves although it should: since when, and why, as far as that is known. */
function Stall({ view, progress }: { readonly view: JobView; readonly progress: Progress }): ReactElement {
  const standingMs = stalledMs(view.forecast, progress);
  const isExpected = !['copying', 'verifying', 'undoing'].includes(view.state);
  // What waits for people is no fault of a disk.
  const isStalled = standingMs > 0 && !isExpected && !waitsToBeLetGo(view);
  return (
    <div role="status">
      {/* What counts up is seen, and not said each second. */}
      {isStalled && (
        <p className="box amber">
          <span aria-hidden="true">{text('job.stalled', { time: elapsedText(standingMs) })} </span>
          <span className="unseen">{text('job.stalledSaid')} </span>
          {text(`job.${stallCause(progress)}`)}
        </p>
      )}
    </div>
  );
}

const slowUs = 500_000;

function stallCause({ unreadableBytes, consumer }: Progress): 'stalledUnreadable' | 'stalledBusy' | 'stalledUnknown' {
  if (unreadableBytes > 0) return 'stalledUnreadable';
  return consumer.p99Us > slowUs ? 'stalledBusy' : 'stalledUnknown';
}

function copyRateOf(sample: Sample): number {
  return sample.copyBytesPerSecond;
}

function waitOf(sample: Sample): number {
  return sample.p99Us;
}

const rateScale = { steps: byteSteps, scaleMin: 1024 ** 2 };
const waitScale = { steps: waitSteps, scaleMin: 1000 };

function Charts({ view, progress }: { readonly view: JobView; readonly progress: Progress }): ReactElement {
  const { readIops, writeIops } = progress.consumer;
  const { points } = view.samples;
  return (
    <section className="charts" aria-label={text('job.charts')}>
      <Chart name={text('job.copyRate')} figureOf={copyRateOf} words={rateText} {...rateScale} points={points} />
      <Chart name={text('job.consumerWait')} figureOf={waitOf} words={waitText} {...waitScale} points={points} />
      <p className="soft figure">{text('job.requests', { count: Math.round(readIops + writeIops) })}</p>
    </section>
  );
}

interface SteeringProps {
  readonly view: JobView;
  readonly onStop: () => void;
}

function Steering({ view, onStop }: SteeringProps): ReactElement {
  const wizard = useWizard();
  const { job, state, speed } = view;
  const isPending = useWizardState((now) => isBusy(now, `job:${job}`));
  const isUnheard = useWizardState(isAway);
  const canBePaused = ['starting', 'copying'].includes(state);
  const canBeUndone = !['undoing', 'died', 'not-answering'].includes(state);
  return (
    <>
      <ActionButton onPress={() => wizard.go({ at: 'start' })}>{text('actions.jobs')}</ActionButton>
      <span className="soft" aria-hidden="true">
        {text('plan.speed')}
      </span>
      <SpeedSwitch speed={speed} isDisabled={isUnheard} onChange={(value) => void wizard.setSpeed(job, value)} />
      {state === 'paused' ? (
        <ActionButton kind="main" isDisabled={isUnheard} isBusy={isPending} onPress={() => void wizard.command(job, 'resume')}>
          {text('job.goOn')}
        </ActionButton>
      ) : (
        <ActionButton
          isDisabled={!canBePaused || isUnheard}
          isBusy={isPending}
          onPress={() => void wizard.command(job, 'pause')}
        >
          {text('job.pause')}
        </ActionButton>
      )}
      <ActionButton isDisabled={!canBeUndone || isUnheard} isBusy={isPending} onPress={onStop}>
        {text('job.stop')}
      </ActionButton>
    </>
  );
}

/** What has happened, for those who want to know. */
export function Log({ view }: { readonly view: JobView }): ReactElement {
  return (
    <Disclosure>
      <Button slot="trigger" className="button link">
        {text('job.log')}
      </Button>
      <DisclosurePanel>
        <ol className="log">
          {view.log.map((event, index) => (
            <li key={index}>
              <time dateTime={new Date(event.timeMs).toISOString()}>
                {new Date(event.timeMs).toLocaleTimeString()}
              </time>
              <span className="breakable">{eventSentence(event)}</span>
            </li>
          ))}
        </ol>
      </DisclosurePanel>
    </Disclosure>
  );
}
