/**
 * What is found out about a disk that may be the original of a finished move (retired-verdict.ts judges it): which record
 * has it, what it shows, whether it is as the job left it, and whether the destination still is the volume. Reads only.
 * The disk itself is looked at through a descriptor, so that the same is asked once more of the one that has claimed it.
 */
import type { PlannedDisk } from '../contract/plan.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath } from '../devices/open-disk.ts';
import { findIdentities, plainDisk } from '../devices/disk-mask.ts';
import type { ErasableParts } from '../devices/eraser.ts';
import { Eraser, partsToErase } from '../devices/eraser.ts';
import { openToLook } from '../devices/disk-at-rest.ts';
import { recognisedBy } from '../devices/foreign-recognisers.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import { sectorBytes } from '../base/units.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findIfThere } from './recorded-disk.ts';
import type { RetiredRecord } from './retired-record.ts';
import { readRetired } from './retired-record.ts';
import type { Evidence } from './retired-verdict.ts';
import { isComparable, lookAtVolume, missingOf } from './retired-volume.ts';
import { isSamePlace } from './same-disk.ts';
import { takeSample } from './source-sample.ts';

export interface FoundRecord {
  readonly role: 'source' | 'destination';
  readonly record: RetiredRecord;
  readonly stateDirectory: string;
}

export interface Here {
  readonly inventory: Inventory;
  readonly bootId: string;
}

/** The newest one that has the disk: what it was before does not count any more. */
export async function findRetired(
  here: Here,
  disk: PlannedDisk,
  stateDirectories: readonly string[],
): Promise<FoundRecord | undefined> {
  const all = await Promise.all(
    stateDirectories.map(async (stateDirectory) =>
      (await readRetired(stateDirectory)).map((record) => ({ record, stateDirectory })),
    ),
  );
  for (const { record, stateDirectory } of all.flat().sort((one, other) => other.record.endedMs - one.record.endedMs)) {
    for (const role of ['source', 'destination'] as const) {
      if (await isDiskOf(here, disk, { record, role })) return { role, record, stateDirectory };
    }
  }
  return undefined;
}

async function isDiskOf(
  { inventory, bootId }: Here,
  disk: PlannedDisk,
  { record, role }: Pick<FoundRecord, 'record' | 'role'>,
): Promise<boolean> {
  if (record.plan[role].sizeBytes !== disk.sizeBytes) return false;
  const found = await findIfThere(inventory, { record, role, bootId });
  return found !== undefined && isSamePlace(found, disk);
}

export interface DestinationNow {
  readonly state: Evidence['destination'];
  readonly disk: PlannedDisk | undefined;
  /** For people, where it is `other`. */
  readonly difference: string | undefined;
}

/** `disk`: the original, which could show the volume itself where somebody has unmasked it. */
export async function lookAtDestination(
  { inventory, bootId }: Here,
  disk: PlannedDisk,
  record: RetiredRecord,
): Promise<DestinationNow> {
  const found = await findIfThere(inventory, { record, role: 'destination', bootId });
  if (found === undefined || isSamePlace(found, disk))
    return { state: 'missing', disk: undefined, difference: undefined };
  const before = record.volume;
  if (before === null || !isComparable(before)) return { state: 'unknown', disk: found, difference: undefined };
  const difference = missingOf(before, await lookAtVolume(found.path));
  return { state: difference === undefined ? 'as-moved' : 'other', disk: found, difference };
}

type OfDisk = Pick<Evidence, 'erasure' | 'shows' | 'sample' | 'isZero'>;

/** At rest, without a claim; it may be in use. */
export async function lookAtOriginal(disk: PlannedDisk, record: RetiredRecord): Promise<OfDisk> {
  const handle = await openToLook(disk);
  try {
    const isDirect = disk.kind === 'block';
    return await lookAtOpen(disk, { handle, base: handle, isDirect, close: () => handle.close() }, record);
  } finally {
    await handle.close();
  }
}

/** Its proof (eraser.ts) stands, and nobody has written to it since. */
export async function isAsLeft(disk: PlannedDisk, record: RetiredRecord): Promise<boolean> {
  return (await lookAtOriginal(disk, record)).sample === 'same';
}

export async function lookAtOpen(disk: PlannedDisk, open: OpenDisk, record: RetiredRecord): Promise<OfDisk> {
  const erasure = erasureOf(record);
  const isProofGone = erasure === 'proof-touched' || erasure === 'finished';
  return {
    erasure,
    shows: await showsAnything(disk, open),
    sample: isProofGone ? 'none' : await compareSample(disk, open, record),
    isZero: isProofGone && (await readsAsZeroes(disk, open, record)),
  };
}

function erasureOf({ erasure }: RetiredRecord): Evidence['erasure'] {
  if (erasure === null) return 'none';
  if (erasure.finishedMs !== null) return 'finished';
  return erasure.isProofTouched ? 'proof-touched' : 'begun';
}

async function showsAnything({ path, kind, sizeBytes, logicalBlockBytes }: PlannedDisk, open: OpenDisk): Promise<boolean> {
  const plain = plainDisk(open.handle.fd, path, logicalBlockBytes);
  if (findIdentities(plain, new GuardPlaces(sizeBytes)).some(({ isMasked }) => !isMasked)) return true;
  const seen = await recognisedBy({ node: kind === 'block' ? path : null, path: descriptorPath(open.base) });
  return seen.length > 0;
}

async function compareSample(
  { sizeBytes }: PlannedDisk,
  open: OpenDisk,
  { sourceSample: before }: RetiredRecord,
): Promise<Evidence['sample']> {
  // Of a disk that could be read nowhere then, any other has the same.
  if (before === null || before.extents.length === 0) return 'none';
  const now = await takeSample(open, { extents: before.extents, volumeBytes: sizeBytes });
  if (now.sha256 === before.sha256) return 'same';
  return now.extents.length < before.extents.length ? 'unreadable' : 'differs';
}

/** Whoever uses a disk writes to its start first, which is the last that is erased. */
async function readsAsZeroes(disk: PlannedDisk, open: OpenDisk, record: RetiredRecord): Promise<boolean> {
  const parts = partsOf(disk, record);
  const never = new AbortController().signal;
  const eraser = new Eraser({ path: disk.path, disk: open, parts, signal: never, tell: () => undefined });
  return eraser.isZero(record.erasure?.finishedMs !== null);
}

/** The same for every try, because it depends on the record and the size alone. */
export function partsOf({ sizeBytes }: PlannedDisk, { sourceSample }: RetiredRecord): ErasableParts {
  const places = new GuardPlaces(sizeBytes);
  const guarded = Array.from({ length: places.count }, (_, place) => ({
    offsetBytes: places.offsetOf(place),
    lengthBytes: sectorBytes,
  }));
  return partsToErase(sizeBytes, [...guarded, ...(sourceSample?.extents ?? [])]);
}
