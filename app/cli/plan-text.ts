/** A plan as a person reads it before saying yes: both disks, what is erased, how, and what can go wrong. */
import type { FrontendName, Plan, PlannedDisk, PlannedMappedUser, Way } from '../contract/plan.ts';
import type { RoundedTime } from '../contract/report/words.ts';
import { roundedRange } from '../contract/report/words.ts';
import { formatBytes } from './format.ts';
import { wrapUnder } from './wrap.ts';

/** Width of the column in which the names of the rows stand. */
const nameWidth = 7;

/** Where the output goes to a file. */
const fileColumns = 100;

/** Wrapped to the width of the stream that it will be written to. */
export function planText(plan: Plan, stream: { readonly columns?: number }): string {
  // A terminal that does not know its size says 0.
  const columns = stream.columns === undefined || stream.columns === 0 ? fileColumns : stream.columns;
  const { source, destination, mounts, mappedUsers, copy, warnings } = plan;
  const rows: (readonly [name: string, text: string])[] = [
    ['From', diskText(source)],
    ['To', diskText(destination)],
    ['', destination.toBeCreated ? 'The image will be made.' : 'EVERYTHING ON IT WILL BE ERASED.'],
    ['Way', wayText(plan)],
    ['', plan.frontendReason],
    ...mappedUsers.map((user) => ['', userText(user)] as const),
    ...mounts.map(({ target, fsType }) => ['', `${target} (${fsType})`] as const),
    ['Copy', copyText(plan)],
    ...(plan.duration === undefined ? [] : [['Takes', durationText(plan.duration)] as const]),
    [
      'Needs',
      `${formatBytes(plan.memoryBytes)} of memory, ${formatBytes(plan.journalBytes)} in ${plan.stateDirectory}`,
    ],
    ['Truth', 'Which disk holds the valid data:'],
    ...plan.phases.map(({ phase, meaning }) => ['', `${phase}: ${meaning}`] as const),
    ...plan.cutOver.map((step, index) => [index === 0 ? 'Ends' : '', `${index + 1}. ${step}`] as const),
    // The row "Copy" has said it already.
    ...warnings
      .filter(({ message }) => message !== copy.reason)
      .map(({ message }) => ['Note', message] as const),
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

function durationText(duration: NonNullable<Plan['duration']>): string {
  const { low, high } = roundedRange(duration);
  const range =
    low.unit !== high.unit
      ? `${timeText(low)} to ${timeText(high)}`
      : low.count === high.count
        ? `about ${timeText(low)}`
        : `${low.count} to ${timeText(high)}`;
  return `${range}, by how the disks are connected; longer while programs are busy.`;
}

function timeText({ unit, count }: RoundedTime): string {
  return `${count} ${count === 1 ? unit.slice(0, -1) : unit}`;
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

const servedBy: Readonly<Record<FrontendName, string>> = {
  ublk: 'a ublk device',
  nbd: 'an nbd device',
  fuse: 'a loop device over FUSE',
  'nbd-socket': 'an NBD server on a Unix socket',
};

const wayTexts: Readonly<Record<Way, string>> = {
  remount: 'remount: unmounted for a moment at the start and at the end, otherwise in use',
  attach: 'attach: nothing uses it now; it can be used while it moves',
  live: 'live: stays in use from beginning to end; nothing is unmounted and nothing stops',
};

const mappedTexts: Readonly<Record<Way, string>> = {
  ...wayTexts,
  remount: 'remount: unmounted for a moment at the start, otherwise in use',
  attach: 'attach: nothing uses it now; it can be used while it moves, and stay in use at the end',
};

function wayText({ way, frontend, usesDeviceMapper }: Plan): string {
  const text = (usesDeviceMapper ? mappedTexts : wayTexts)[way];
  return `${text}, through ${servedBy[frontend]}`;
}

const userKinds: Readonly<Record<PlannedMappedUser['kind'], string>> = {
  lvm: 'logical volume',
  luks: 'LUKS container',
  own: 'made by Diskferry',
};

function userText({ name, kind, mountPoints, needsPassphrase, tokenKey }: PlannedMappedUser): string {
  const where = mountPoints.length === 0 ? '' : ` on ${mountPoints.join(', ')}`;
  const token = tokenKey === undefined ? '' : `; its token opens it with the key "${tokenKey}" of the kernel's keyring`;
  const asks = needsPassphrase ? '; its passphrase will be asked for' : token;
  return `${name} (${userKinds[kind]})${where}${asks}`;
}
