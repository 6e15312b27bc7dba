/**
 * How long a move takes, before anything of it has been measured: a range between what the connections of both disks can
 * carry and what slow disks of their kind do. It is honest rather than narrow, and it is not told where a disk does not
 * say how it is connected. Pure. Programs that use the volume meanwhile make it longer.
 */
import type { CopyScope, Plan } from '../contract/plan.ts';
import type { BlockDevice } from '../devices/block-device.ts';

/** Of what is on the wire, so much arrives at best: the rest is the protocol's. */
const payloadShare = 0.7;
const megabyte = 1e6;

/** Bytes a second. No more than the copy loop moves by itself. */
const fastest = 2500 * megabyte;
const spinning = { fastest: 280 * megabyte, slowest: 60 * megabyte };
/** When its cache is full. */
const flashSlowest = 120 * megabyte;
/** Sticks; a bridge does not tell what is behind it, and says of all that it spins. */
const usbSlowest = 20 * megabyte;

interface Rates {
  readonly fast: number;
  readonly slow: number;
}

type Disk = Pick<BlockDevice, 'link' | 'isRotational'>;

export interface DurationInput {
  readonly copy: CopyScope;
  readonly sizeBytes: number;
  readonly verifies: boolean;
  readonly source: Disk | undefined;
  readonly destination: Disk | undefined;
}

/** Undefined where it is not known. */
export function planDuration(input: DurationInput): Plan['duration'] {
  const [source, destination] = [ratesOf(input.source), ratesOf(input.destination)];
  if (source === undefined || destination === undefined) return undefined;
  const bytes = input.copy.bytes ?? input.sizeBytes;
  // Both work at once, so the slower one decides; what is read back comes after it.
  const seconds = (key: keyof Rates): number =>
    bytes / Math.min(source[key], destination[key]) + (input.verifies ? bytes / destination[key] : 0);
  return { lowSeconds: Math.floor(seconds('fast')), highSeconds: Math.ceil(seconds('slow')) };
}

function ratesOf(disk: Disk | undefined): Rates | undefined {
  if (disk === undefined || disk.link === null) return undefined;
  const { link, isRotational } = disk;
  const carried = linkBytesPerSecond(link.megabits);
  const medium = link.by === 'usb' ? { fastest, slowest: usbSlowest } : isRotational === true ? spinning : { fastest, slowest: flashSlowest };
  return { fast: Math.min(carried, medium.fastest), slow: Math.min(carried, medium.slowest) };
}

export function linkBytesPerSecond(megabits: number): number {
  return (megabits * 1e6 * payloadShare) / 8;
}
