/** What a retired disk is, as a person reads it before saying yes, and what can be done with it. */
import type { DiskferryErrorData } from '../base/error.ts';
import { adviceFor } from '../contract/advice.ts';
import { timeText } from '../contract/report/words.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { EraseMethod, RetiredDisk, RetiredState } from '../contract/retire.ts';
import { formatBytes } from './format.ts';
import { wrapUnder } from './wrap.ts';

/** Where the output goes to a file. */
const fileColumns = 100;
const indentWidth = 13;

const stateTexts: Readonly<Record<RetiredState, string>> = {
  whole: 'still holds all that it held when the move began; it is hidden, and samples of it are as the move left them',
  'partly-erased': 'its erasing has begun and not ended',
  erased: 'is erased, and has not been used since',
};

const methodTexts: Readonly<Record<EraseMethod, string>> = {
  discard:
    'all of it is discarded, and must read as zeroes then. Out of reach of whoever reads the disk; a laboratory may still find parts of it',
  overwrite:
    'zeroes are written over all of it. What a disk keeps aside (worn blocks of an SSD, replaced sectors) is not reached by that',
};

interface TextOptions {
  /** `--erase` was given. */
  readonly erases: boolean;
  readonly stream: { readonly columns?: number };
}

export function retireText(retired: RetiredDisk, { erases, stream }: TextOptions): string {
  const { disk, job, endedMs, destination, destinationPath, state, hidden, refusal } = retired;
  // A terminal that does not know its size says 0.
  const columns = stream.columns === undefined || stream.columns === 0 ? fileColumns : stream.columns;
  const now = destinationPath === null ? 'not connected' : destinationPath === destination.path ? '' : `now ${destinationPath}`;
  const rows: readonly (readonly [string, string])[] = [
    ['Disk', diskText(disk)],
    ['Is', `the original of the move ${job}, which ended on ${timeText(endedMs)} UTC`],
    ['Destination', [diskText(destination), now].filter((part) => part !== '').join(', ')],
    ['State', `${stateTexts[state]}${hidden.length === 0 ? '' : ` (hidden: ${hidden.join(', ')})`}`],
    ...(refusal === null ? choices(retired, erases) : refusalRow(refusal, erases)),
  ];
  return rows.map(([name, text]) => name.padEnd(indentWidth) + wrapUnder(text, { columns, indentWidth })).join('\n');
}

/** Where it is to be erased, the command fails with the same. */
function refusalRow(refusal: DiskferryErrorData, erases: boolean): (readonly [string, string])[] {
  return erases ? [] : [['Erase', `not now: ${refusal.message}. ${adviceFor(refusal).advice}`]];
}

function choices({ disk, state, method }: RetiredDisk, erases: boolean): (readonly [string, string])[] {
  if (state === 'erased') return [];
  if (erases) return method === null ? [] : [['Erase', `${method}: ${methodTexts[method]}`]];
  const goOn = state === 'partly-erased' ? 'go on with it' : 'erase all of it';
  const erase: readonly [string, string] = ['To do', `${goOn}: diskferry retire ${disk.path} --erase`];
  if (state === 'partly-erased') return [erase];
  const keep = `keep it as an old copy: diskferry unmask ${disk.path} --i-know-it-is-stale (while the destination is not connected)`;
  return [erase, ['', keep], ['', 'use it again: name it as the destination of another move']];
}

function diskText({ path, model, serial, sizeBytes }: PlannedDisk): string {
  const what = [model, serial === null ? null : `serial ${serial}`].filter((part) => part !== null);
  return `${path}, ${formatBytes(sizeBytes)}${what.length === 0 ? '' : ` (${what.join(', ')})`}`;
}
