/**
 * The rows of the device tree, and of each why it cannot be chosen: first what lies between it and the source, then
 * what the service says of it alone. Both disks are compared here so that nobody learns only from the plan that a
 * destination does not fit; the service compares them again.
 */
import type { DeviceTree as Device } from '../../app/contract/device-tree.ts';
import { findDevice } from '../state/choice.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';

export type DiskRole = 'source' | 'destination';

export interface Row {
  /** Its way from the disk down: unique, also for what is shown twice. */
  readonly id: string;
  readonly device: Device;
  readonly whyNot: string | null;
  readonly children: readonly Row[];
}

/** @param source what is chosen as it; of this and all that shares storage with it, no destination is made */
export function deviceRows(role: DiskRole, trees: readonly Device[], source: string | null): Row[] {
  const chosen = role === 'destination' ? findDevice(trees, source) : undefined;
  return rowsOf(trees, { role, source: chosen, above: '', isRelated: false });
}

export function withBelow(row: Row): Row[] {
  return [row, ...row.children.flatMap(withBelow)];
}

interface RowContext {
  readonly role: DiskRole;
  /** For destinations. */
  readonly source: Device | undefined;
  readonly above: string;
  /** The source is above. */
  readonly isRelated: boolean;
}

function rowsOf(trees: readonly Device[], context: RowContext): Row[] {
  return trees.map((device) => {
    const id = `${context.above} ${device.path}`;
    const isRelated = context.isRelated || device.path === context.source?.path;
    return {
      id,
      device,
      whyNot: whyNotOf(device, { ...context, isRelated }),
      children: rowsOf(device.children, { ...context, above: id, isRelated }),
    };
  });
}

function whyNotOf(device: Device, { role, source, isRelated }: RowContext): string | null {
  if (source !== undefined && device.path === source.path) return text('destination.isSource');
  if (source !== undefined && (isRelated || holds(device, source.path))) return text('destination.isRelated');
  const { eligible, reason } = role === 'source' ? device.asSource : device.asDestination;
  if (eligible) return source === undefined ? null : misfit(device, source);
  // The row says already which device it is.
  const message = reason?.message ?? '';
  return message.startsWith(`${device.path}: `) ? message.slice(device.path.length + 2) : message;
}

/** Of a disk that could be a destination, but not of this source. */
function misfit({ sizeBytes, logicalBlockBytes }: Device, source: Device): string | null {
  const [own, wanted] = [logicalBlockBytes, source.logicalBlockBytes];
  if (own !== wanted) return text('destination.otherBlocks', { own, wanted });
  const missing = source.sizeBytes - sizeBytes;
  if (missing <= 0) return null;
  return text('destination.tooSmall', { missing: bytesText(missing), source: bytesText(source.sizeBytes) });
}

function holds({ children }: Device, path: string): boolean {
  return children.some((child) => child.path === path || holds(child, path));
}
