/**
 * `unmask`: makes a disk recognisable again that a job has hidden, without that job and without its journal.
 * What it shows may be older than what the other disk of its job holds; only where the record of a dead job
 * says that this disk is its volume nobody has to vouch for it. A job that died cannot go on afterwards: its record
 * says so then; and it cannot go on meanwhile, because its journal is locked.
 */
import { afterFailure, DiskferryError, messageOf } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { hiddenOn, placesLeft, showDisk, shownAtRest, tellPlacesLeft, volumeSizesAtRest } from '../devices/disk-at-rest.ts';
import { lookCloser, readDiskFacts } from '../devices/disk-facts.ts';
import { recognisedBy } from '../devices/foreign-recognisers.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import type { LockHolder } from '../devices/lock-holder.ts';
import type { Known } from '../devices/open-disk.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { jobPhases } from '../journal/job-phase.ts';
import { requireDisk } from './disk-checks.ts';
import { refuseErased } from './erased-disk.ts';
import type { JobRecord, KnownSince } from './job-record.ts';
import { keepInRecord, mayHaveBeenUsed, readBootId, readJobRecord } from './job-record.ts';
import { holding, isHeld, journalHolder, lockDeadJob, readWord } from './read-journal.ts';
import type { RecordedJob } from './recorded-jobs.ts';
import { findIfThere } from './recorded-disk.ts';
import { findDeadJobs, findLivingJobs, serverOf } from './recorded-jobs.ts';
import { isSamePlace } from './same-disk.ts';
import { showPartitions } from './show-partitions.ts';

export interface UnmaskRequest {
  readonly path: string;
  readonly stateDirectory: string;
  /** `--i-know-it-is-stale`. */
  readonly acceptsStale: boolean;
}

export interface Unmasked {
  readonly device: string;
  /** What was hidden, as libblkid names it. */
  readonly types: readonly string[];
  /** What programs know the disk by now, such as `blkid sees ext4`. */
  readonly recognisedBy: readonly string[];
  /** What people should do besides. */
  readonly warnings: readonly string[];
}

type Role = 'source' | 'destination';

/** A job with a record here that has the disk. */
interface Owner {
  readonly job: string;
  readonly directory: string;
  readonly record: JobRecord;
  readonly role: Role;
}

/** Throws `not-masked`, `disk-erased`, `disk-stale`, `device-in-use`, `job-held`, or what opening it gave. */
export async function unmask({ path, stateDirectory, acceptsStale }: UnmaskRequest): Promise<Unmasked> {
  const inventory = await readInventory({ probes: false, votes: false });
  const facts = await lookCloser(requireDisk(readDiskFacts(inventory, path)), { findsWriters: false });
  const { kind, sizeBytes, logicalBlockBytes, physicalBlockBytes, model, serial, bus, content, identity } = facts;
  const block = logicalBlockBytes ?? sectorBytes;
  const disk: PlannedDisk = {
    ...{ path, kind, toBeCreated: false, sizeBytes, model, serial, bus, content, identity },
    ...{ logicalBlockBytes: block, physicalBlockBytes: physicalBlockBytes ?? block },
  };
  const living = await ownerOf(inventory, disk, await findLivingJobs(stateDirectory));
  if (living !== undefined) throw isMoved(disk, living);
  const dead = await ownerOf(inventory, disk, await findDeadJobs(stateDirectory));
  const sizes = await sizesOn(disk, dead);
  const types = await hiddenOn(disk, sizes);
  const looked = { inventory, stateDirectory, isHidden: types.length > 0, acceptsStale };
  const erased = dead === undefined ? await refuseErased(disk, looked) : [];
  if (types.length === 0) throw notMasked(disk);
  const act = (held?: Owner): Promise<string[]> => show(disk, { sizes, dead: held, acceptsStale });
  const notKept = dead === undefined ? await act() : await whileDead(disk, dead, act);
  return { device: path, types, ...(await look(disk, sizes, [...erased, ...notKept])) };
}

/** Nobody goes on with the job meanwhile. What its record says is read once more: somebody may have done so just before. */
async function whileDead<T>(disk: PlannedDisk, { job, directory, role }: Owner, act: (dead: Owner) => Promise<T>): Promise<T> {
  const unlock = await lockDeadJob(directory).catch((error: unknown) => {
    throw isHeld(error) ? heldWith(disk, job, journalHolder(directory)) : error;
  });
  try {
    const record = await readJobRecord(directory);
    // A successor that waits for what the process that died was writing has not opened the journal yet.
    const server = serverOf(job);
    if (server !== undefined) throw heldWith(disk, job, server);
    if (record === null) throw hasEnded(disk, job);
    if ('defect' in record) throw new DiskferryError('record-unreadable', record.defect, { context: { directory } });
    return await act({ job, directory, record, role });
  } finally {
    await unlock?.();
  }
}

async function sizesOn(disk: PlannedDisk, dead: Owner | undefined): Promise<number[]> {
  const recorded = dead === undefined ? [] : [dead.record.plan.source.sizeBytes];
  return [...new Set([disk.sizeBytes, ...recorded, ...(await volumeSizesAtRest(disk))])];
}

interface Held extends Pick<UnmaskRequest, 'acceptsStale'> {
  /** Of the volumes whose places are shown. */
  readonly sizes: readonly number[];
  readonly dead: Owner | undefined;
}

interface Shown extends Omit<Held, 'acceptsStale'> {
  readonly isTruth: boolean;
}

/** All that must not change meanwhile, and no more: the users of a live device may wait. Returns what people should know. */
async function show(disk: PlannedDisk, { sizes, dead, acceptsStale }: Held): Promise<string[]> {
  const isTruth = await isVolume(dead);
  if (!acceptsStale && !isTruth) throw stale(disk, dead);
  return showAndVoid(disk, { sizes, dead, isTruth });
}

/** What has become of it, which programs are asked for: nothing is decided by it, and the job has been let go. */
async function look(
  disk: PlannedDisk,
  sizes: readonly number[],
  notKept: readonly string[],
): Promise<Pick<Unmasked, 'recognisedBy' | 'warnings'>> {
  const { path, kind } = disk;
  const warnings = [...notKept, ...(await tellPlaces(disk, sizes)), ...(await showPartitions(disk))];
  const node = kind === 'block' ? path : null;
  return { recognisedBy: await recognisedBy({ node, path }), warnings };
}

/**
 * The dead job is void when the disk shows: it may be used from then on. Where the disk is the volume, the record says
 * so before: whatever happens in between, that ends the job on it, unless somebody has the disk and nothing of it shows.
 * A stale one that cannot be shown voids nothing; so the record says before only that it may show (`unmasking`), for a
 * successor that comes when we have been killed: it looks whether it does.
 */
async function showAndVoid(disk: PlannedDisk, { sizes, dead, isTruth }: Shown): Promise<string[]> {
  const before = await (isTruth ? keepVoid : keepIntention)(dead);
  try {
    await showDisk(disk, { volumeSizes: sizes, known: howKnown(disk) });
  } catch (error) {
    throw await afterFailure(error, () => settleFailure({ disk, sizes, dead, isTruth, error }));
  }
  return isTruth ? before : keepVoid(dead);
}

interface Failed extends Shown {
  readonly disk: PlannedDisk;
  readonly error: unknown;
}

/** What was written may not be readable now; only when it is known that nothing shows does the record say less again. */
async function settleFailure({ disk, sizes, dead, isTruth, error }: Failed): Promise<void> {
  if (dead === undefined) return;
  const { shows, isRead } = await shownAtRest(disk, sizes);
  const { unmasked } = dead.record;
  if (isTruth && !shows && isInUse(error)) await keepInRecord(dead.directory, dead.job, { unmasked });
  if (isTruth) return;
  if (shows) await keepVoid(dead);
  else if (isRead || isInUse(error)) await keepInRecord(dead.directory, dead.job, { unmasking: dead.record.unmasking });
}

/**
 * It has been looked up a moment ago, in this boot. To look around once more would wait for the virtual device of a
 * job whose successor waits for us. But where the kernel does not number disks, another one may have the same place.
 */
function howKnown({ kind, identity }: PlannedDisk): Known {
  return kind === 'file' || (identity !== null && identity.diskSequence !== null) ? 'by-boot' : 'by-plan';
}

/** Whether it shows does not depend on whether that can be kept. Returns what people should know. */
async function keepVoid(dead: Owner | undefined): Promise<string[]> {
  return keepWord(dead, (role) => ({ unmasked: role, unmasking: undefined }));
}

async function keepIntention(dead: Owner | undefined): Promise<string[]> {
  return keepWord(dead, (role) => ({ unmasking: role }));
}

async function keepWord(dead: Owner | undefined, word: (role: Role) => KnownSince): Promise<string[]> {
  if (dead === undefined) return [];
  try {
    await keepInRecord(dead.directory, dead.job, word(dead.role));
    return [];
  } catch (error) {
    return [`do not recover the job ${dead.job} any more: its record could not be told (${messageOf(error)})`];
  }
}

async function tellPlaces(disk: PlannedDisk, sizes: readonly number[]): Promise<string[]> {
  const left = await Promise.all(sizes.map((size) => placesLeft(disk, size)));
  const unreadable = Math.max(...left.map((one) => one.unreadable));
  const hidden = Math.max(...left.map((one) => one.hidden));
  const told = tellPlacesLeft({ unreadable, hidden });
  return told === undefined ? [] : [`${told}; they were left as they are`];
}

async function ownerOf(
  inventory: Inventory,
  disk: PlannedDisk,
  jobs: readonly RecordedJob[],
): Promise<Owner | undefined> {
  const bootId = await readBootId();
  for (const { job, directory, record } of jobs) {
    if ('defect' in record) continue;
    for (const role of ['source', 'destination'] as const) {
      if (await isDiskOf({ job, directory, record, role }, { inventory, disk, bootId }))
        return { job, directory, record, role };
    }
  }
  return undefined;
}

interface Here {
  readonly inventory: Inventory;
  readonly disk: PlannedDisk;
  readonly bootId: string;
}

async function isDiskOf({ record, role }: Owner, { inventory, disk, bootId }: Here): Promise<boolean> {
  const found = await findIfThere(inventory, { record, role, bootId });
  return found !== undefined && isSamePlace(found, disk);
}

/** Whether what the dead job's record says leaves no doubt that the disk holds the newest state. */
async function isVolume(dead: Owner | undefined): Promise<boolean> {
  if (dead === undefined) return false;
  const { directory, record, role } = dead;
  try {
    const { phase, hasCrossed } = await readWord(directory, record);
    return holdsNewest(role, phase, mayHaveBeenUsed(record, hasCrossed));
  } catch (error) {
    // Without its journal nobody knows.
    if (error instanceof DiskferryError) return false;
    throw error;
  }
}

/** `wasUsed`: somebody may have written to the virtual device. Pure. */
export function holdsNewest(role: Role, phase: JobPhase, wasUsed: boolean): boolean {
  switch (phase) {
    case jobPhases.copying:
      return role === 'source' && !wasUsed;
    case jobPhases.undoing:
      return false;
    case jobPhases.committing:
    case jobPhases.committed:
      return role === 'destination';
    case jobPhases.undone:
      return role === 'source';
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof DiskferryError && error.code === 'device-in-use';
}

function heldWith({ path }: PlannedDisk, job: string, holder: LockHolder): DiskferryError {
  const { code, why } = holding(holder, `its job ${job}`);
  return new DiskferryError(code, `${path}: was not shown: ${why}`, { context: { device: path, job } });
}

function hasEnded({ path }: PlannedDisk, job: string): DiskferryError {
  const message = `${path}: the job ${job}, to which it belonged, has been ended at this moment, so it may show by now`;
  return new DiskferryError('job-held', message, { context: { device: path, job } });
}

function isMoved({ path }: PlannedDisk, { job, role }: Owner): DiskferryError {
  const message = `${path}: is the ${role} of the job ${job}, which runs; its end makes the right disk recognisable`;
  return new DiskferryError('device-in-use', message, { context: { device: path, job } });
}

function notMasked({ path }: PlannedDisk): DiskferryError {
  const message = `${path}: nothing that identifies it is hidden, so there is nothing to do`;
  return new DiskferryError('not-masked', message, { context: { device: path } });
}

function stale({ path }: PlannedDisk, dead: Owner | undefined): DiskferryError {
  const why =
    dead === undefined
      ? 'no record here says that it holds the newest state of its volume: it may be an older copy, or one that is not whole'
      : `is the ${dead.role} of the job ${dead.job}, which died: it lacks what is on the other disk only, and ` +
        `"diskferry recover ${dead.job}" could not go on afterwards`;
  const context = { device: path, ...(dead === undefined ? {} : { job: dead.job }) };
  return new DiskferryError('disk-stale', `${path}: ${why}`, { context });
}
