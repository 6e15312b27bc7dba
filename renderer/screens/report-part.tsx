/**
 * The report of a job: saved as a page or as data, or printed. It is the same document that `diskferry report`
 * makes. What is printed is a view of it in this window, which only paper shows.
 */
import type { ReactElement } from 'react';
import { useEffect, useState } from 'react';
import type { ReportDocument } from '../../app/contract/report/document.ts';
import { eventSentence } from '../../app/contract/report/event-sentence.ts';
import { reportHtml } from '../../app/contract/report/html.ts';
import { timeText } from '../../app/contract/report/words.ts';
import { ActionButton } from '../components/action-button.tsx';
import { contentText } from '../components/disk-words.ts';
import { Field } from '../components/fields.tsx';
import { Facts } from '../components/facts.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { saveFile } from '../components/save-file.ts';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';

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
  const { job, outcome, source, destination, technician, customer, notes, events, startedMs, endedMs, failure } = report;
  const disks = [source, destination].map(({ path, model, serial, sizeBytes, content }) =>
    [path, model, serial, bytesText(sizeBytes), contentText(content)].filter((part) => part !== null).join(' · '),
  );
  return (
    <article className="printed" aria-hidden="true">
      <p className="brand">{text('app.name')}</p>
      <h1>{text('printed.title', { source: source.path, destination: destination.path })}</h1>
      <p className="lead">{text(`printed.outcomes.${outcome}`)}</p>
      <Facts
        facts={[
          [text('printed.job'), job],
          [text('disks.source'), disks[0]],
          [text('disks.destination'), disks[1]],
          [text('printed.started'), text('printed.time', { time: timeText(startedMs) })],
          ...(endedMs === null ? [] : [[text('printed.ended'), text('printed.time', { time: timeText(endedMs) })] as const]),
          ...(technician === null ? [] : [[text('done.technician'), technician] as const]),
          ...(customer === null ? [] : [[text('done.customer'), customer] as const]),
          ...(failure === null ? [] : [[text('job.states.failed'), failure.message] as const]),
        ]}
      />
      {notes.length > 0 && <h2>{text('done.points')}</h2>}
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
