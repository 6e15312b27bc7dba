/** A plan as a person reads it before saying yes: both disks, what is erased, how, and what can go wrong. */
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { formatBytes } from './format.ts';

export function planText(plan: Plan): string {
  const { source, destination, mounts, copy, warnings } = plan;
  const lines = [
    `From   ${diskText(source)}`,
    `To     ${diskText(destination)}`,
    destination.toBeCreated ? '       The image will be made.' : '       EVERYTHING ON IT WILL BE ERASED.',
    `Way    ${wayText(plan)}`,
    ...mounts.map(({ target, fsType }) => `       ${target} (${fsType})`),
    `Copy   ${copy.bytes === null ? '' : `${copy.exact ? '' : 'about '}${formatBytes(copy.bytes)}. `}${copy.reason}`,
    `Needs  ${formatBytes(plan.memoryBytes)} of memory; state in ${plan.stateDirectory}`,
    'Truth  Which disk holds the valid data:',
    ...plan.phases.map(({ phase, meaning }) => `       ${phase}: ${meaning}`),
    ...warnings.map(({ message }) => `Note   ${message}`),
  ];
  return lines.join('\n');
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
