/**
 * The report as one page of HTML for the screen, for paper and for the archive: no script, nothing loaded from
 * anywhere, and every text from outside escaped. Pure: the same document always gives the same page.
 */
import { dataPlaceTexts } from '../advice.ts';
import type { JobEvent } from '../events.ts';
import type { PlannedDisk } from '../plan.ts';
import type { ReportDocument } from './document.ts';
import { eventSentence } from './event-sentence.ts';
import { styles } from './styles.ts';
import { bytesText, durationText, timeText } from './words.ts';

const outcomeWords: Readonly<Record<ReportDocument['outcome'], { readonly tone: string; readonly text: string }>> = {
  finished: { tone: 'good', text: 'Moved' },
  undone: { tone: 'neutral', text: 'Undone' },
  failed: { tone: 'bad', text: 'Failed' },
  'not-ended': { tone: 'neutral', text: 'Not ended' },
};

const wayWords = {
  attach: 'Not in use: became a virtual device at once',
  remount: 'Mounted: unmounted for a moment, then in use while it moved',
  live: 'Under LVM or LUKS: in use throughout, nothing was unmounted',
} as const;

/** Everything that goes into the page as text goes through here, also in attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** @param version of the program that writes it */
export function reportHtml(report: ReportDocument, version: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(`Diskferry report: ${report.job}`)}</title>
<style>${styles}</style>
</head>
<body>
<main>
${header(report)}
${disks(report)}
${figures(report)}
${notes(report)}
${journal(report)}
${footer(report, version)}
</main>
</body>
</html>
`;
}

function header(report: ReportDocument): string {
  const { tone, text } = outcomeWords[report.outcome];
  const { failure, dataIs } = report;
  const where = dataIs === null ? 'Where the data is, the job itself must say.' : dataPlaceTexts[dataIs];
  const why = failure === null ? '' : `<p class="why">${escapeHtml(`${failure.message}. ${failure.advice}`)}</p>`;
  return `<header>
<div class="brand">Diskferry <span>Migration report</span></div>
<div class="title"><h1>${escapeHtml(report.job)}</h1><span class="badge ${tone}">${text}</span></div>
<p class="where">${escapeHtml(where)}</p>
${why}
<dl class="facts">
${fact('Started', timeText(report.startedMs))}
${fact('Ended', report.endedMs === null ? '–' : timeText(report.endedMs))}
${fact('Took', report.endedMs === null ? '–' : durationText(report.endedMs - report.startedMs))}
${report.technician === null ? '' : fact('Technician', report.technician)}
${report.customer === null ? '' : fact('Customer', report.customer)}
</dl>
</header>`;
}

function fact(name: string, value: string): string {
  return `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`;
}

function disks({ source, destination, outcome }: ReportDocument): string {
  const isMoved = outcome === 'finished';
  return `<section class="disks">
${diskCard('Source', source, isMoved ? 'no longer kept up to date' : '')}
<div class="arrow" aria-hidden="true">→</div>
${diskCard('Destination', destination, isMoved ? 'holds the volume' : '')}
</section>`;
}

function diskCard(role: string, disk: PlannedDisk, state: string): string {
  const { path, kind, model, serial, bus, sizeBytes, logicalBlockBytes, content, identity } = disk;
  const held = [content?.fileSystemType ?? content?.partitionTableType, content?.label].filter(
    (word) => typeof word === 'string',
  );
  const rows: readonly (readonly [string, string | null])[] = [
    ['Model', model],
    ['Serial', serial],
    ['WWN', identity?.wwn ?? null],
    ['Connected by', bus],
    ['Size', `${bytesText(sizeBytes)} (${sizeBytes.toLocaleString('en')} bytes)`],
    ['Block size', `${logicalBlockBytes} bytes`],
    ['Held before', held.length === 0 ? null : held.join(', ')],
    ['Identifier', content?.fileSystemUuid ?? content?.partitionTableUuid ?? null],
  ];
  const shown = rows.flatMap(([name, value]) => (value === null ? [] : [fact(name, value)]));
  const note = state === '' ? '' : `<p class="state">${escapeHtml(state)}</p>`;
  return `<article class="disk">
<h2>${role}<span>${kind === 'file' ? 'disk image' : 'block device'}</span></h2>
<p class="path">${escapeHtml(path)}</p>
<dl>${shown.join('\n')}</dl>
${note}
</article>`;
}

function figures(report: ReportDocument): string {
  const { figures: measured, way, mode, frontend, copy, verifiedBytes } = report;
  const how: readonly (readonly [string, string])[] = [
    ['Method', wayWords[way]],
    ['Mode', `${mode}, through ${frontend}`],
    ['Scope', copy.reason],
    [
      'Verification',
      verifiedBytes === null
        ? 'The destination was not read back'
        : `${bytesText(verifiedBytes)} of the destination were read back and are right`,
    ],
  ];
  const rows = [...how, ...(measured === null ? [] : measuredRows(measured))];
  const cells = rows.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<section>
${measured === null ? '' : shares(measured)}
<h2>What was done</h2>
<table>${cells.join('\n')}</table>
</section>`;
}

type Figures = NonNullable<ReportDocument['figures']>;

function measuredRows(measured: Figures): (readonly [string, string])[] {
  const pauses = measured.interruptions.map(
    ({ at, how, elapsedMs }) => `${durationText(elapsedMs)} ${how} at the ${at}`,
  );
  const { changes, longestPauseMs } = measured.graduation;
  return [
    ...lostRows(measured),
    ['Interruptions', pauses.length === 0 ? 'none' : pauses.join(', ')],
    ['Longest wait of one request', durationText(measured.longestStallMs)],
    ...(changes === 0
      ? []
      : [['Table changes', `${changes}, the longest pause ${durationText(longestPauseMs)}`] as const]),
    ...(measured.staysOn === null ? [] : [['Used through', measured.staysOn] as const]),
  ];
}

/** What nobody must overlook. */
function lostRows({ unreadable, unreadableFiles }: Figures): (readonly [string, string])[] {
  const { extents, extentCount, totalBytes } = unreadable;
  if (totalBytes === 0) return [];
  const places = extents.map(({ offsetBytes, lengthBytes }) => `${lengthBytes} bytes at ${offsetBytes}`);
  if (extentCount > places.length) places.push(`${extentCount - places.length} more places`);
  const { paths, unknown } = unreadableFiles;
  const files = [...paths, ...(unknown === null ? [] : [`not wholly known: ${unknown}`])];
  return [
    ['Lost, because it could not be read', [bytesText(totalBytes), ...places].join(', ')],
    ['Files that lie there', files.length === 0 ? 'none' : files.join(', ')],
  ];
}

/** Three kinds of bytes, as parts of what the disk holds. Redirected ones may come more than once. */
function shares({ copiedBytes, redirectedBytes, skippedBytes }: Figures): string {
  const parts = [
    { name: 'copied', bytes: copiedBytes },
    { name: 'written while moving', bytes: redirectedBytes },
    { name: 'free, left out', bytes: skippedBytes },
  ];
  const total = Math.max(1, copiedBytes + redirectedBytes + skippedBytes);
  const bars = parts.map(
    ({ bytes }, index) => `<i class="part${index}" style="width:${((bytes / total) * 100).toFixed(3)}%"></i>`,
  );
  const legend = parts.map(
    ({ name, bytes }, index) =>
      `<li><i class="part${index}"></i><strong>${escapeHtml(bytesText(bytes))}</strong> ${name}</li>`,
  );
  return `<div class="bar">${bars.join('')}</div>
<ul class="legend">${legend.join('')}</ul>`;
}

function notes({ notes: texts }: ReportDocument): string {
  if (texts.length === 0) return '';
  const items = texts.map((text) => `<li>${escapeHtml(text)}</li>`);
  return `<section class="notes"><h2>To be noted</h2><ul>${items.join('\n')}</ul></section>`;
}

function journal({ events, startedMs }: ReportDocument): string {
  const rows = events.map((event) => journalRow(event, startedMs));
  return `<section>
<h2>What happened, and when</h2>
<table class="journal"><thead><tr><th scope="col">Time</th><th scope="col">After</th><th scope="col">Event</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
</section>`;
}

function journalRow(event: JobEvent, startedMs: number): string {
  const after = `+${durationText(Math.max(0, event.timeMs - startedMs))}`;
  const cells = [timeText(event.timeMs), after, eventSentence(event)].map(
    (text) => `<td>${escapeHtml(text)}</td>`,
  );
  return `<tr class="${event.event}">${cells.join('')}</tr>`;
}

function footer({ technician, customer }: ReportDocument, version: string): string {
  const lines = [
    ['Technician', technician],
    ['Customer', customer],
  ].map(([role, name]) => `<div><span>${escapeHtml(name ?? '')}</span>${role ?? ''}</div>`);
  return `<footer>
<div class="signatures">${lines.join('')}</div>
<p>Written by Diskferry ${escapeHtml(version)} on the machine that did the work. Times are UTC.</p>
</footer>`;
}
