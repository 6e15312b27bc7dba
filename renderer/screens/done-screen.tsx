/**
 * The end: success only if every phase passed, otherwise a list of what to note. Where the data is, what to do with
 * the disk that is no longer needed, what it took, and the report. A job that has failed and can be gone on with offers
 * both ways out.
 */
import type { ReactElement } from 'react';
import { ActionButton } from '../components/action-button.tsx';
import { useQuestion } from '../components/question.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobView, LastEvent } from '../state/job-view.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { RecoverBackQuestion, WaysOut } from './job-actions.tsx';
import { Log } from './migrate-screen.tsx';
import { Figures } from './figures.tsx';
import { ReportPart } from './report-part.tsx';
import { Screen } from './screen.tsx';

export interface DoneScreenProps {
  readonly view: JobView;
  readonly end: LastEvent;
}

export function DoneScreen({ view, end }: DoneScreenProps): ReactElement {
  const wizard = useWizard();
  const { job } = view;
  const points = pointsOf(end, view);
  const asking = useQuestion();
  const canGoOn = useWizardState(({ lines }) => lines.some((line) => line.job === job && line.state === 'died'));
  return (
    <Screen
      title={titleOf(end, points)}
      actions={
        canGoOn ? (
          <WaysOut job={job} onBack={asking.ask} />
        ) : (
          <ActionButton kind="main" onPress={() => wizard.go({ at: 'start' })}>
            {text('done.another')}
          </ActionButton>
        )
      }
    >
      <RefusalOf errand={`recover:${job}`} />
      {canGoOn && <RecoverBackQuestion job={job} asking={asking} />}
      <Outcome end={end} view={view} hasPoints={points.length > 0} />
      {points.length > 0 && (
        <section className="box amber">
          <h2>{text('done.points')}</h2>
          <ul>
            {points.map((point) => (
              <li key={point} className="breakable">
                {point}
              </li>
            ))}
          </ul>
        </section>
      )}
      {end.event !== 'failed' && (
        <section>
          <h2>{text(end.event === 'finished' ? 'done.oldDisk' : 'done.undoneDisk')}</h2>
          <p>
            {text(end.event === 'finished' ? 'done.oldDiskText' : 'done.undoneDiskText', {
              ...pathsOf(view),
              unless: points.length === 0 ? '' : text('done.unless'),
            })}
          </p>
        </section>
      )}
      {end.event !== 'failed' && <Figures report={end.report} />}
      <ReportPart job={job} />
      <Log view={view} />
    </Screen>
  );
}

function titleOf({ event }: LastEvent, points: readonly string[]): string {
  if (event === 'finished') return text(points.length === 0 ? 'done.finished' : 'done.finishedBut');
  return text(event === 'undone' && points.length > 0 ? 'done.undoneBut' : `done.${event}`);
}

interface OutcomeProps extends DoneScreenProps {
  readonly hasPoints: boolean;
}

function Outcome({ end, view, hasPoints }: OutcomeProps): ReactElement {
  if (end.event === 'failed') {
    return (
      <section className="box bad" role="alert">
        <p className="breakable">{end.message.replace(/\.?$/, '.')}</p>
        <p>{end.advice}</p>
        <p>
          <strong>{end.dataIs === 'unknown' ? text('done.dataUnknown') : text(`refusal.data.${end.dataIs}`)}</strong>
        </p>
      </section>
    );
  }
  const hasLost = end.event === 'undone' && end.report.unreadable.totalBytes > 0;
  const words = text(hasLost ? 'done.undoneButText' : `done.${end.event}Text`, pathsOf(view));
  const { staysOn } = end.report;
  return (
    <section className={`box ${hasPoints ? 'amber' : 'good'}`}>
      <p>
        <strong>{words}</strong>
        {staysOn !== null && ` ${text('done.stays', { device: staysOn })}`}
      </p>
    </section>
  );
}

function pathsOf({ plan }: JobView): { readonly source: string; readonly destination: string } {
  const [source, destination] = [text('disks.theSource'), text('disks.theDestination')];
  return plan === null ? { source, destination } : { source: plan.source.path, destination: plan.destination.path };
}

/** What keeps it from being a plain success. */
function pointsOf(end: LastEvent, { plan }: JobView): string[] {
  if (end.event === 'failed') return [];
  const { unreadable, unreadableFiles, warnings } = end.report;
  const paths = unreadableFiles.paths.map((path) => text('done.file', { path }));
  const files = [...paths, ...(unreadableFiles.unknown === null ? [] : [unreadableFiles.unknown])];
  const isUnverified = end.event === 'finished' && !end.verified && plan?.verifies === true;
  return [
    ...(unreadable.totalBytes > 0 ? [text(`done.lost.${end.event}`, { size: bytesText(unreadable.totalBytes) }), ...files] : []),
    ...(isUnverified ? [text('done.notVerified')] : []),
    ...warnings,
  ];
}
