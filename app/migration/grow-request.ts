/**
 * `grow` as people ask for it: as root, on a disk that no move has in its hands, whether it runs or has died.
 * What is found and done is app/grow's.
 */
import { DiskferryError } from '../base/error.ts';
import type { GrowLayer, GrowPlan } from '../contract/grow.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { isAbsent, readDiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import type { Storage } from '../devices/overlap.ts';
import { compareStorage } from '../devices/overlap.ts';
import type { GrowOptions } from '../grow/decision.ts';
import { decideGrow } from '../grow/decision.ts';
import { carryOut } from '../grow/carry-out.ts';
import { requireSame } from '../grow/difference.ts';
import type { Found } from '../grow/found.ts';
import type { GrowRequest } from '../grow/look.ts';
import { look } from '../grow/look.ts';
import { refuseHidden } from './hidden-source.ts';
import { readBootId } from './job-record.ts';
import type { RecordedJob } from './recorded-jobs.ts';
import { findDeadJobs, findLivingJobs } from './recorded-jobs.ts';
import { isSameDisk } from './same-disk.ts';
import { virtualDeviceObjection } from './use-checks.ts';

export interface AskedGrow {
  readonly request: GrowRequest;
  readonly options: GrowOptions;
  /** Where jobs keep their state: a disk of any of them is left alone. */
  readonly stateDirectories: readonly string[];
}

/** Throws the first refusal. */
export async function planGrow({ request, options, stateDirectories }: AskedGrow): Promise<GrowPlan> {
  if (process.geteuid?.() !== 0)
    throw new DiskferryError('not-root', `${request.path}: looking at what lies on it needs root`, {
      context: { device: request.path },
    });
  const found = await look(request);
  // Before what lies on it is judged: what a job has hidden looks as if nothing were there.
  const inventory = await readInventory({ probes: false, votes: false });
  requireUnserved(inventory, found.disk);
  for (const directory of stateDirectories) await requireNoJob(inventory, found, directory);
  for (const disk of new Set([found.disk, found.device])) await refuseHidden({ source: disk });
  return decideGrow(found, options);
}

export interface CarriedGrow extends AskedGrow {
  readonly plan: GrowPlan;
  readonly passphrase: Uint8Array | undefined;
  readonly tellCheck: (device: string, checker: string) => void;
  readonly tell: (layer: GrowLayer, sizeBytes: number) => void;
  readonly signal: AbortSignal;
}

/** Much can happen while a person thinks: all that speaks against it is looked for again. */
export async function growAsPlanned(asked: CarriedGrow): Promise<void> {
  requireSame(asked.plan, await planGrow(asked), 'confirmed');
  await carryOut(asked);
}

// ---- jobs

function requireUnserved(inventory: Inventory, { path }: PlannedDisk): void {
  const facts = readDiskFacts(inventory, path);
  const objection = isAbsent(facts) ? undefined : virtualDeviceObjection(inventory, facts);
  if (objection !== undefined) throw objection;
}

async function requireNoJob(
  inventory: Inventory,
  { disk, device }: Found,
  stateDirectory: string,
): Promise<void> {
  const [{ path }, bootId] = [disk, await readBootId()];
  const isOfOthers = ({ record }: RecordedJob): boolean =>
    !('defect' in record) && ![disk, device].some((one) => hasDisk(inventory, { disk: one, record, bootId }));
  for (const found of await findLivingJobs(stateDirectory)) {
    if (isOfOthers(found)) continue;
    const { job } = found;
    throw new DiskferryError('device-in-use', `${path}: the job ${job} moves it at the moment`, {
      context: { device: path, job },
    });
  }
  for (const found of await findDeadJobs(stateDirectory)) {
    if (isOfOthers(found)) continue;
    const { job, directory, record } = found;
    const what = 'defect' in record ? `and may have moved it; ${record.defect}` : 'while it moved it';
    throw new DiskferryError('earlier-job-died', `${path}: the job ${job} died ${what}`, {
      context: { device: path, job, directory },
    });
  }
}

interface Claim {
  readonly disk: PlannedDisk;
  readonly record: Exclude<RecordedJob['record'], { readonly defect: string }>;
  readonly bootId: string;
}

/** Also a job that moves a part of the disk, or the file under it. */
function hasDisk(inventory: Inventory, { disk, record, bootId }: Claim): boolean {
  const isSameBoot = record.bootId === bootId;
  const own = storageOf(disk);
  return [record.plan.source, record.plan.destination].some((one) => {
    if (isSameDisk(one, disk, isSameBoot)) return true;
    const storage = isSameBoot ? storageOf(one) : null;
    return own !== null && storage !== null && compareStorage(inventory, own, storage) !== 'apart';
  });
}

function storageOf({ identity, path }: PlannedDisk): Storage | null {
  if (identity === null) return null;
  const { majorMinor, inode } = identity;
  return inode === null
    ? { kind: 'block', majorMinor }
    : { kind: 'file', file: { device: majorMinor, inode }, path };
}
