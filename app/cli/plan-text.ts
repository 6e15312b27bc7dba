/** A plan as a person reads it before saying yes: both disks, what is erased, how, and what can go wrong. */
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { formatBytes } from './format.ts';
import { wrapUnder } from './wrap.ts';

/** Width of the column in which the names of the rows stand. */
const nameWidth = 7;

/** Where the output goes to a file. */
const fileColumns = 100;

/** Wrapped to the width of the stream that it will be written to. */
export function planText(plan: Plan, stream: { readonly columns?: number }): string {
  const columns = stream.columns ?? fileColumns;
  const { source, destination, mounts, copy, warnings } = plan;
  const rows: (readonly [name: string, text: string])[] = [
    ['From', diskText(source)],
    ['To', diskText(destination)],
    ['', destination.toBeCreated ? 'The image will be made.' : 'EVERYTHING ON IT WILL BE ERASED.'],
    ['Way', wayText(plan)],
    ...mounts.map(({ target, fsType }) => ['', `${target} (${fsType})`] as const),
    ['Copy', copyText(plan)],
    ['Needs', `${formatBytes(plan.memoryBytes)} of memory; state in ${plan.stateDirectory}`],
    ['Truth', 'Which disk holds the valid data:'],
    ...plan.phases.map(({ phase, meaning }) => ['', `${phase}: ${meaning}`] as const),
    // The row "Copy" has said it already.
    ...warnings.filter(({ message }) => message !== copy.reason).map(({ message }) => ['Note', message] as const),
  ];
  return rows.map(([name, text]) => row(name, text, columns)).join('\n');
}

function row(name: string, text: string, columns: number): string {
  return name.padEnd(nameWidth) + wrapUnder(text, { columns, indentWidth: nameWidth });
}

function copyText({ copy }: Plan): string {
  if (copy.bytes === null) return copy.reason;
  return `${copy.exact ? '' : 'about '}${formatBytes(copy.bytes)}. ${copy.reason}`;
}

function diskText({ path, sizeBytes, model, serial, bus, content }: PlannedDisk): string {
  const what = [model, serial === null ? null : `serial ${serial}`, bus].filter((part) => part !== null);
  const holds = content?.fileSystemType ?? content?.partitionTableType;
  const label = content?.label === null || content?.label === undefined ? '' : ` "${content.label}"`;
  return [
    `${path}, ${formatBytes(sizeBytes)}`,
    ...(what.length === 0 ? [] : [`(${what.join(', ')})`]),
    ...(holds === null || holds === undefined ? [] : [`with ${holds}${label}`]),
  ].join(' ');
}

function wayText({ way, frontend }: Plan): string {
  const served = frontend === 'fuse' ? 'a loop device over FUSE' : 'an NBD server on a Unix socket';
  return way === 'remount'
    ? `remount: unmounted for a moment at the start and at the end, otherwise in use, through ${served}`
    : `attach: nothing uses it now; it can be used through ${served} while it moves`;
}
