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
import type { GrowOptions } from '../grow/decision.ts';
import { decideGrow } from '../grow/decision.ts';
import { carryOut } from '../grow/carry-out.ts';
import { requireSame } from '../grow/difference.ts';
import type { GrowRequest } from '../grow/look.ts';
import { look } from '../grow/look.ts';
import { refuseHidden } from './hidden-source.ts';
import { requireNoJob } from './jobs-of-disk.ts';
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
  for (const directory of stateDirectories) await requireNoJob(inventory, [found.disk, found.device], directory);
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

function requireUnserved(inventory: Inventory, { path }: PlannedDisk): void {
  const facts = readDiskFacts(inventory, path);
  const objection = isAbsent(facts) ? undefined : virtualDeviceObjection(inventory, facts);
  if (objection !== undefined) throw objection;
}
