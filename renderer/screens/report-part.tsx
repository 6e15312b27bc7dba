/**
 * The report of a job: saved as a page or as data, or printed. It is the same document that `diskferry report`
 * makes. What is printed is a view of it in this window, which only paper shows.
 */
import type { ReactElement } from 'react';
import { useEffect, useState } from 'react';
import type { JobReport } from '../../app/contract/events.ts';
import type { PlannedDisk } from '../../app/contract/plan.ts';
import type { ReportDocument } from '../../app/contract/report/document.ts';
import { eventSentence } from '../../app/contract/report/event-sentence.ts';
import { reportHtml } from '../../app/contract/report/html.ts';
import { timeText } from '../../app/contract/report/words.ts';
import { ActionButton } from '../components/action-button.tsx';
import { contentText } from '../components/disk-words.ts';
import { Field } from '../components/fields.tsx';
import type { Fact } from '../components/facts.tsx';
import { Facts } from '../components/facts.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { saveFile } from '../components/save-file.ts';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { Figures } from './figures.tsx';

type Form = 'html' | 'json' | 'print';

export function ReportPart({ job }: { readonly job: string }): ReactElement {
  const wizard = useWizard();
  const version = useWizardState(({ service }) => (service.state === 'connected' ? service.version : ''));
  const [technician, setTechnician] = useState('');
  const [customer, setCustomer] = useState('');
  const [printed, setPrinted] = useState<ReportDocument | null>(null);
  const make = async (form: Form): Promise<void> => {
    await wizard.makeReport(job, { technician, customer });
    const { report, refusals } = wizard.store.getState();
    if (report?.job !== job || refusals.report !== undefined) return;
    if (form === 'print') setPrinted(report);
    else if (form === 'html') saveFile(`${job}.html`, 'text/html', reportHtml(report, version));
    else saveFile(`${job}.json`, 'application/json', `${JSON.stringify(report, null, 2)}\n`);
  };
  return (
    <section>
      <h2>{text('done.report')}</h2>
      <p className="soft">{text('done.reportWhy')}</p>
      <RefusalOf errand="report" />
      <div className="row fields">
        <Field label={text('done.technician')} maxLength={200} value={technician} onChange={setTechnician} />
        <Field label={text('done.customer')} maxLength={200} value={customer} onChange={setCustomer} />
      </div>
      <div className="row">
        <ActionButton onPress={() => void make('html')}>{text('done.saveHtml')}</ActionButton>
        <ActionButton onPress={() => void make('json')}>{text('done.saveJson')}</ActionButton>
        <ActionButton onPress={() => void make('print')}>{text('done.print')}</ActionButton>
      </div>
      {printed !== null && <PrintedReport report={printed} onPrinted={setPrinted} />}
    </section>
  );
}

interface PrintedReportProps {
  readonly report: ReportDocument;
  /** The same function each time: another one would print again. */
  readonly onPrinted: (nothing: null) => void;
}

function PrintedReport({ report, onPrinted }: PrintedReportProps): ReactElement {
  useEffect(() => {
    const end = (): void => onPrinted(null);
    window.addEventListener('afterprint', end, { once: true });
    window.print();
    return () => window.removeEventListener('afterprint', end);
  }, [onPrinted]);
  const { source, destination, outcome, notes, events } = report;
  return (
    <article className="printed" aria-hidden="true">
      <p className="brand">{text('app.name')}</p>
      <h1>{text('printed.title', { source: source.path, destination: destination.path })}</h1>
      <p className="lead">{text(`printed.outcomes.${outcome}`)}</p>
      <Facts facts={mainFacts(report)} />
      {report.figures !== null && <Figures report={report.figures} others={checkedFacts(report, report.figures)} />}
      {notes.length > 0 && <h2>{text('printed.notes')}</h2>}
      <ul>
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      <h2>{text('job.log')}</h2>
      <table>
        <tbody>
          {events.map((event, index) => (
            <tr key={index}>
              <td>{timeText(event.timeMs)}</td>
              <td>{eventSentence(event)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  );
}

/** What was moved, when and by whom; of a move that has failed why, and where the data is. */
function mainFacts(report: ReportDocument): Fact[] {
  const { job, source, destination, startedMs, endedMs, technician, customer, failure, dataIs } = report;
  const time = (timeMs: number): string => text('printed.time', { time: timeText(timeMs) });
  return [
    [text('printed.job'), job],
    [text('disks.source'), diskLine(source)],
    [text('disks.destination'), diskLine(destination)],
    [text('printed.started'), time(startedMs)],
    ...(endedMs === null ? [] : [[text('printed.ended'), time(endedMs)] as const]),
    ...(technician === null ? [] : [[text('done.technician'), technician] as const]),
    ...(customer === null ? [] : [[text('done.customer'), customer] as const]),
    ...(failure === null ? [] : [[text('job.states.failed'), `${failure.message.replace(/\.?$/, '.')} ${failure.advice}`] as const]),
    ...(failure === null || dataIs === null ? [] : [[text('printed.data'), text(`refusal.data.${dataIs}`)] as const]),
  ];
}

/** As exactly as it is known, because paper is what is left when the disk has gone. */
function diskLine({ path, model, serial, sizeBytes, content, identity }: PlannedDisk): string {
  const wwn = identity?.wwn ?? null;
  const parts = [
    ...[path, model, serial === null ? null : text('disks.serial', { serial }), wwn === null ? null : `WWN ${wwn}`],
    ...[text('printed.size', { size: bytesText(sizeBytes), bytes: sizeBytes.toLocaleString('en') }), contentText(content)],
  ];
  return parts.filter((part) => part !== null).join(' · ');
}

function checkedFacts({ outcome, verifiedBytes }: ReportDocument, { unreadable, staysOn }: JobReport): Fact[] {
  const size = bytesText(unreadable.totalBytes);
  const lost = text(`done.lost.${outcome === 'undone' ? 'undone' : 'finished'}`, { size });
  return [
    [
      text('printed.checked'),
      verifiedBytes === null ? text('done.notVerified') : text('cutOver.verified', { checked: bytesText(verifiedBytes) }),
    ],
    [text('printed.unreadable'), unreadable.totalBytes === 0 ? text('printed.nothing') : lost],
    ...(staysOn === null ? [] : [[text('printed.stays'), text('done.stays', { device: staysOn })] as const]),
  ];
}
