/**
 * `retire`: what the original disk of a finished move is, and, when it is asked for, erasing all of it. Refused unless a
 * record here proves that it is what the move has left behind, nothing on it has changed since, nobody has it, and the
 * destination shows the volume; only for the last one a person's word is taken.
 *
 * All of it is looked at when it is shown, again after the person has confirmed, and what can be seen on the disk itself
 * once more on the descriptor that has claimed it, right before the first write (invariant 9). That descriptor is
 * kept to the end, and the path is not used any more. What has been erased is in the record, so that it can be gone on with.
 */
import type { ErrorCode } from '../base/error.ts';
import { DiskferryError, messageOf } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { EraseMethod, RetiredDisk } from '../contract/retire.ts';
import { discardBytesMax } from '../devices/discard-limit.ts';
import { hiddenOn } from '../devices/disk-at-rest.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import { lookCloser, readDiskFacts } from '../devices/disk-facts.ts';
import { Eraser } from '../devices/eraser.ts';
import { assertSameDevice } from '../devices/identity.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { openDisk } from '../devices/open-disk.ts';
import { requireDisk } from './disk-checks.ts';
import type { Objection } from './disk-checks.ts';
import { readSystemPaths } from './facts.ts';
import { readBootId } from './job-record.ts';
import { requireNoJob } from './jobs-of-disk.ts';
import { soloObjection } from './preflight.ts';
import type { DestinationNow, FoundRecord, Here } from './retired-disk.ts';
import { findRetired, lookAtDestination, lookAtOpen, lookAtOriginal, partsOf } from './retired-disk.ts';
import type { Erasure, RetiredRecord } from './retired-record.ts';
import { writeRetired } from './retired-record.ts';
import { keptBecause, notRetiredBecause } from './retired-words.ts';
import type { Evidence } from './retired-verdict.ts';
import { judgeRetired } from './retired-verdict.ts';
import { showPartitions } from './show-partitions.ts';
import { exclusiveObjection } from './use-checks.ts';

export interface AskedRetire {
  readonly path: string;
  /** Where jobs keep their state: all of them are searched. */
  readonly stateDirectories: readonly string[];
  /** Undefined: discard where the disk can, else overwrite. */
  readonly method: EraseMethod | undefined;
  /** `--i-know-it-may-be-the-only-copy`. */
  readonly acceptsOnlyCopy: boolean;
}

/** Throws `not-retired`, `retired-changed`, and what keeps it from being looked at. */
export async function lookAtRetired(asked: AskedRetire): Promise<RetiredDisk> {
  return (await find(asked)).shown;
}

interface Found {
  readonly shown: RetiredDisk;
  readonly record: RetiredRecord;
  readonly stateDirectory: string;
  readonly destination: DestinationNow;
}

async function find(asked: AskedRetire): Promise<Found> {
  const { stateDirectories } = asked;
  const inventory = await readInventory({ probes: false, votes: true });
  const facts = await factsOf(inventory, asked.path);
  const disk = asPlanned(facts);
  for (const directory of stateDirectories) await requireNoJob(inventory, [disk], directory);
  const here: Here = { inventory, bootId: await readBootId() };
  const found = await findRetired(here, disk, stateDirectories);
  const hidden = await hiddenOn(disk, [disk.sizeBytes]);
  if (found === undefined) throw notRetiredBecause(disk, { why: 'no-record', hidden, record: undefined });
  const destination = await lookAtDestination(here, disk, found.record);
  const verdict = judgeRetired(await evidenceOf(disk, found, destination));
  if (verdict.kind === 'not-retired')
    throw notRetiredBecause(disk, { why: verdict.why, hidden, record: found.record });
  const { record, stateDirectory } = found;
  const mayBeOnlyCopy =
    verdict.kept === null || asked.acceptsOnlyCopy
      ? undefined
      : keptBecause(disk, { kept: verdict.kept, record, destination });
  const objection = objectionToUse(inventory, facts) ?? methodObjection(facts, asked.method) ?? mayBeOnlyCopy;
  const shown: RetiredDisk = {
    ...{ disk, hidden, state: verdict.state, job: record.job, endedMs: record.endedMs },
    ...{ destination: record.plan.destination, destinationPath: destination.disk?.path ?? null },
    method: methodFor(facts, asked.method ?? record.erasure?.method),
    refusal: verdict.state === 'erased' || objection === undefined ? null : objection.toData(),
  };
  return { shown, record, stateDirectory, destination };
}

/** Throws `not-root`, and why there is no disk. */
async function factsOf(inventory: Inventory, path: string): Promise<DiskFacts> {
  const named = requireDisk(readDiskFacts(inventory, path));
  if (named.kind === 'block' && process.geteuid?.() !== 0)
    throw new DiskferryError('not-root', `${path}: looking at what lies on it needs root`, { context: { device: path } });
  return lookCloser(named, { findsWriters: true });
}

async function evidenceOf(disk: PlannedDisk, { role, record }: FoundRecord, { state }: DestinationNow): Promise<Evidence> {
  if (role === 'source') return { record: role, destination: state, ...(await lookAtOriginal(disk, record)) };
  return { record: role, destination: state, erasure: 'none', shows: false, sample: 'none', isZero: false };
}

/** As of a destination: nobody may have it. */
function objectionToUse(inventory: Inventory, facts: DiskFacts): Objection {
  const machine = { systemPaths: readSystemPaths(), tables: null };
  return soloObjection(inventory, facts, 'destination', machine) ?? exclusiveObjection(facts);
}

function asPlanned(facts: DiskFacts): PlannedDisk {
  const { path, kind, sizeBytes, logicalBlockBytes, physicalBlockBytes, model, serial, bus, content, identity } = facts;
  const block = logicalBlockBytes ?? sectorBytes;
  return {
    ...{ path, kind, toBeCreated: false, sizeBytes, model, serial, bus, content, identity },
    ...{ logicalBlockBytes: block, physicalBlockBytes: physicalBlockBytes ?? block },
  };
}

function canDiscard({ storage }: DiskFacts): boolean {
  return storage.kind === 'block' && discardBytesMax(storage.majorMinor) > 0;
}

function methodFor(facts: DiskFacts, asked: EraseMethod | undefined): RetiredDisk['method'] {
  if (facts.kind === 'file') return null;
  return asked ?? (canDiscard(facts) ? 'discard' : 'overwrite');
}

function methodObjection(facts: DiskFacts, asked: EraseMethod | undefined): Objection {
  const context = { device: facts.path };
  if (facts.kind === 'file') {
    const message = `${facts.path}: is an image file, which is not erased in place`;
    return new DiskferryError('cannot-be-erased', message, { context });
  }
  if (asked !== 'discard' || canDiscard(facts)) return undefined;
  return new DiskferryError('cannot-be-erased', `${facts.path}: cannot discard`, { context });
}

export interface ErasedDisk {
  readonly method: EraseMethod;
  readonly erasedBytes: number;
  readonly readBackBytes: number;
  readonly warnings: readonly string[];
}

export interface CarriedRetire extends AskedRetire {
  /** What was confirmed. */
  readonly confirmed: RetiredDisk;
  /** Reads all of it back, not samples. */
  readonly verifies: boolean;
  readonly signal: AbortSignal;
  readonly tell: (phase: 'erasing' | 'reading-back', doneBytes: number, totalBytes: number) => void;
}

/** Throws `erase-failed`, `erase-incomplete`, `erase-interrupted`, or a refusal. */
export async function eraseAsConfirmed(carried: CarriedRetire): Promise<ErasedDisk> {
  const { confirmed, signal } = carried;
  const found = await find(carried);
  const { shown } = found;
  requireAsConfirmed(confirmed, shown);
  if (shown.refusal !== null) throw DiskferryError.fromData(shown.refusal);
  const { disk, method } = shown;
  if (method === null) throw new DiskferryError('cannot-be-erased', `${disk.path}: is no block device`);
  if (signal.aborted)
    throw new DiskferryError('interrupted', `${disk.path}: interrupted before the start`, { context: { device: disk.path } });
  const readBackBytes = await whileClaimed(disk, async (open) => {
    await requireStillRetired(found, open);
    return erase({ found, open, method, carried });
  });
  return { method, erasedBytes: disk.sizeBytes, readBackBytes, warnings: await showPartitions(disk) };
}

async function whileClaimed<T>(disk: PlannedDisk, act: (open: OpenDisk) => Promise<T>): Promise<T> {
  const open = await openDisk(disk, 'write');
  try {
    return await act(open);
  } finally {
    await open.close();
  }
}

function requireAsConfirmed(confirmed: RetiredDisk, now: RetiredDisk): void {
  if (confirmed.disk.identity !== null && now.disk.identity !== null)
    assertSameDevice(confirmed.disk.identity, now.disk.identity);
  if (confirmed.job === now.job && confirmed.method === now.method) return;
  const message = `${now.disk.path}: is not what was confirmed any more`;
  throw new DiskferryError('device-changed', message, { context: { device: now.disk.path } });
}

/** The claimed disk itself: between the look and the claim somebody may have used it. */
async function requireStillRetired({ shown, record, destination }: Found, open: OpenDisk): Promise<void> {
  const of = await lookAtOpen(shown.disk, open, record);
  const verdict = judgeRetired({ record: 'source', destination: destination.state, ...of });
  if (verdict.kind === 'not-retired')
    throw notRetiredBecause(shown.disk, { why: verdict.why, hidden: shown.hidden, record });
}

interface Erasing {
  readonly found: Found;
  readonly open: OpenDisk;
  readonly method: EraseMethod;
  readonly carried: CarriedRetire;
}

async function erase({ found, open, method, carried }: Erasing): Promise<number> {
  const { shown, record, stateDirectory } = found;
  const parts = partsOf(shown.disk, record);
  const eraser = new Eraser({ path: shown.disk.path, disk: open, parts, signal: carried.signal, tell: carried.tell });
  let erasure = beginning(record.erasure, method);
  const keep = async (change: Partial<Erasure>, code: ErrorCode = 'erase-failed'): Promise<void> => {
    erasure = { ...erasure, ...change };
    await writeRetired(stateDirectory, { ...record, erasure }).catch((cause: unknown) => {
      const message = `${shown.disk.path}: how far it is erased cannot be kept in ${stateDirectory}: ${messageOf(cause)}`;
      throw new DiskferryError(code, message, { context: { device: shown.disk.path }, cause });
    });
  };
  // Before the first write: from here on it is no whole copy of anything.
  await keep({}, 'state-directory-unusable');
  await eraser.eraseBody(method, erasure.doneBytes, (doneBytes) => keep({ doneBytes }));
  const bodyBytes = await eraser.readBodyBack(carried.verifies);
  await keep({ isProofTouched: true });
  const proofBytes = await eraser.eraseProof();
  await keep({ finishedMs: Date.now() });
  return bodyBytes + proofBytes;
}

/** By another method it is begun anew, but for what is known of it. */
function beginning(before: RetiredRecord['erasure'], method: EraseMethod): Erasure {
  const anew = { method, startedMs: Date.now(), doneBytes: 0, isProofTouched: false, finishedMs: null };
  if (before === null) return anew;
  return before.method === method ? before : { ...anew, isProofTouched: before.isProofTouched };
}
