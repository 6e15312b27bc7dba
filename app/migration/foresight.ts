/**
 * What the guard (guard.ts) will find on both disks of a job, and that no program will see anything afterwards:
 * looked at before anything is written and anybody is interrupted, because six programs take their time. The guard
 * compares what it finds on the claimed disks with this.
 */
import { DiskferryError } from '../base/error.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { identitiesAtRest } from '../devices/disk-at-rest.ts';
import type { FoundIdentity, PlainDisk } from '../devices/disk-mask.ts';
import { maskDisk, wipeDisk } from '../devices/disk-mask.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import { previewOf } from '../devices/masked-preview.ts';

export interface Foresight {
  readonly source: readonly FoundIdentity[];
  /** Null: something on the destination stays known, and a program has to wipe it. */
  readonly destination: readonly FoundIdentity[] | null;
}

/** Throws `disk-masked` and `identity-not-hidden`. Nothing is written to either disk. */
export async function foresee({ source, destination }: Plan): Promise<Foresight> {
  const places = new GuardPlaces(source.sizeBytes);
  const onSource = await identitiesAtRest(source, places);
  requireUnmasked(source, onSource);
  requireHidden(source, await previewOf(source, (disk) => maskDisk(disk, places)));
  if (destination.toBeCreated) return { source: onSource, destination: [] };
  const onDestination = await identitiesAtRest(destination, places);
  const seen = await previewOf(destination, (disk) => wipeBoth(disk, { source, destination }));
  return { source: onSource, destination: seen.length === 0 ? onDestination : null };
}

/** What identifies it at the places of the volume, and at those of its own size. */
export function wipeBoth(
  disk: PlainDisk,
  { source, destination }: Pick<Plan, 'source' | 'destination'>,
): void {
  for (const { sizeBytes } of [source, destination]) wipeDisk(disk, new GuardPlaces(sizeBytes));
}

export function isSameFinding(before: readonly FoundIdentity[], now: readonly FoundIdentity[]): boolean {
  const textOf = (found: readonly FoundIdentity[]): string =>
    found.map(({ type, offsetBytes, isMasked }) => `${type} at ${offsetBytes} ${isMasked}`).join();
  return textOf(before) === textOf(now);
}

export function requireUnmasked({ path }: PlannedDisk, found: readonly FoundIdentity[]): void {
  const masked = found.find(({ isMasked }) => isMasked);
  if (masked === undefined) return;
  const message = `${path}: its identity (${masked.type}) was hidden by an earlier job, so it is not the volume`;
  throw new DiskferryError('disk-masked', message, { context: { device: path } });
}

/** `seen`: what programs still make of the disk. */
export function requireHidden({ path }: PlannedDisk, seen: readonly string[]): void {
  if (seen.length === 0) return;
  const message = `${path}: its identity cannot be hidden for the time of the move: ${seen.join(', ')}`;
  throw new DiskferryError('identity-not-hidden', message, { context: { device: path } });
}
