/**
 * Carries a confirmed plan out, from the disk upwards, so that a layer grows only into room that is there.
 *
 * There is no journal: what is on the disk says how far it has come, and every layer that has its old size still is
 * whole on a device that has become larger. So after a kill or a power cut at any step the same command goes on with
 * what is left. For each step:
 *
 *     look ── is it the plan's disk, with the plan's layers and sizes? ── run the program ── look ── has it the new size?
 *              no: nothing is done any more                                                   no: said, and nothing above it is done
 *
 * The disk and the partition are held open from before the first look to the end, and were compared with the plan on
 * these descriptors (invariant 9): while they are open their numbers cannot become another disk's, and the kernel does
 * not drop the partition when it reads the table again. A lock on the disk keeps udev and a second grow away; the program
 * of a step holds it too, so that it is not given up before that has ended when we are killed. A program in its step is
 * never interrupted: a signal ends the grow behind it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { GrowLayer, GrowPlan } from '../contract/grow.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { handingDown } from '../devices/program-to-its-end.ts';
import { reachableStat } from '../devices/reachable-stat.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { lockFile, openDisk } from '../devices/open-disk.ts';
import { ReleaseStack } from '../base/release.ts';
import type { GrowOptions } from './decision.ts';
import { planGrow } from './decision.ts';
import type { Found, FoundFileSystem, FoundLuks } from './found.ts';
import { checkWhole } from './full-checks.ts';
import type { GrowRequest } from './look.ts';
import { look } from './look.ts';
import { testPassphrase } from './luks-container.ts';
import { growLayer } from './steps.ts';

export interface GrowOrder {
  readonly request: GrowRequest;
  readonly options: GrowOptions;
  readonly plan: GrowPlan;
  readonly passphrase: Uint8Array | undefined;
  /** Called when a layer has its new size. */
  readonly tell: (layer: GrowLayer, sizeBytes: number) => void;
  /** Asked before each step. */
  readonly isStopped: () => boolean;
}

/** udev looks at a disk for a moment; sysfs and nodes follow a change by as much. */
const patienceMs = 8000;
const pollMs = 100;

export async function carryOut(order: GrowOrder): Promise<void> {
  const { plan } = order;
  const held = new ReleaseStack();
  try {
    const lockFd = await hold(plan, held);
    const begun = requireSame(plan, await lookNow(order));
    await checkFirst(begun.found);
    if (plan.needsPassphrase) await testKey(begun.found, order.passphrase);
    await handingDown([lockFd], () => carryOutSteps(order));
  } finally {
    await held.releaseAll();
  }
}

/** Returns the descriptor that has the lock. */
async function hold({ disk, device }: GrowPlan, held: ReleaseStack): Promise<number> {
  const opened = await openDisk(disk, 'read', 'shared');
  held.add('the disk', () => opened.close());
  await lockInTime(disk.path, opened);
  if (device.path !== disk.path) {
    const part = await openDisk(device, 'read', 'shared');
    held.add('the partition', () => part.close());
  }
  return opened.handle.fd;
}

/** Whoever makes a move of it, or another grow, has it for longer. */
async function lockInTime(path: string, { handle }: OpenDisk): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return lockFile(path, handle);
    } catch (error) {
      const isHeld = error instanceof DiskferryError && error.code === 'device-in-use';
      if (!isHeld || performance.now() > untilMs) throw error;
      await sleep(pollMs);
    }
  }
}

interface Look {
  readonly found: Found;
  readonly now: GrowPlan;
}

async function lookNow({ request, options }: GrowOrder): Promise<Look> {
  const found = await look(request);
  return { found, now: planGrow(found, options) };
}

/** Throws `device-changed` unless what is there is what was confirmed, perhaps some steps further. */
function requireSame(plan: GrowPlan, seen: Look): Look {
  const difference = differenceOf(plan, seen.now);
  if (difference === null) return seen;
  const { path } = plan.disk;
  throw new DiskferryError('device-changed', `${path}: is not as it was planned: ${difference}`, {
    context: { device: path },
  });
}

/** Pure. In words; null when there is none. */
export function differenceOf(plan: GrowPlan, now: GrowPlan): string | null {
  const disks = [plan.disk, now.disk, plan.device, now.device].map(({ identity }) => identity?.majorMinor);
  if (disks[0] !== disks[1] || disks[2] !== disks[3]) return 'another disk or partition has its name';
  if (plan.disk.sizeBytes !== now.disk.sizeBytes) return `its size is ${now.disk.sizeBytes} bytes now`;
  if (plan.layers.length !== now.layers.length) return 'it has other layers';
  for (const [index, layer] of plan.layers.entries()) {
    const other = now.layers[index];
    if (other === undefined) return 'it has other layers';
    for (const key of ['kind', 'name', 'type', 'uuid', 'afterBytes'] as const)
      if (layer[key] !== other[key]) return `${key} of ${layer.kind} ${layer.name} is ${String(other[key])} now`;
    if (other.beforeBytes < layer.beforeBytes) return `${layer.kind} ${layer.name} is smaller now`;
  }
  return null;
}

async function checkFirst({ layers }: Found): Promise<void> {
  const system = layers.find((layer): layer is FoundFileSystem => layer.kind === 'file-system');
  if (system?.use === 'unmounted') await checkWhole(system.name, system.type);
}

async function testKey({ layers }: Found, passphrase: Uint8Array | undefined): Promise<void> {
  const container = layers.find((layer): layer is FoundLuks => layer.kind === 'luks' && layer.needsPassphrase);
  if (container !== undefined) await testPassphrase(container.below, passphrase);
}

async function carryOutSteps(order: GrowOrder): Promise<void> {
  const { layers, disk } = order.plan;
  let hasChanged = false;
  for (const [index, { grows }] of layers.entries()) {
    if (!grows) continue;
    try {
      await carryOutStep(order, index);
    } catch (error) {
      throw hasChanged ? behindChange(disk.path, error) : error;
    }
    hasChanged = true;
  }
}

/** A refusal that comes behind a step must not say that nothing was changed. */
function behindChange(path: string, error: unknown): unknown {
  if (error instanceof DiskferryError && ['grow-failed', 'grow-interrupted'].includes(error.code)) return error;
  const message = `${path}: has grown in part only: ${messageOf(error)}`;
  return new DiskferryError('grow-failed', message, { context: { device: path }, cause: error });
}

// ---- one step

async function carryOutStep(order: GrowOrder, index: number): Promise<void> {
  const { plan, passphrase, tell } = order;
  const { path } = plan.disk;
  if (order.isStopped())
    throw new DiskferryError('grow-interrupted', `${path}: interrupted between two steps`, { context: { device: path } });
  const { found, now } = requireSame(plan, await lookPatiently(order));
  const layer = now.layers[index];
  if (layer === undefined) return;
  if (layer.grows) {
    requireStillThere(plan);
    await orGrowFailed(layer, () => growLayer({ plan, found, layer, passphrase }));
  }
  tell(layer, await sizeReached(order, index));
}

/** Right before a program is told the path. */
function requireStillThere({ disk, device }: GrowPlan): void {
  for (const { path, identity } of [disk, device]) {
    const stat = reachableStat(path);
    if (stat !== undefined && majorMinorOf(stat.rdev) === identity?.majorMinor) continue;
    throw new DiskferryError('device-changed', `${path}: the name leads to another disk now`, {
      context: { device: path },
    });
  }
}

async function orGrowFailed(layer: GrowLayer, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    throw growFailed(layer, messageOf(error), error);
  }
}

function growFailed({ kind, name }: GrowLayer, why: string, cause?: unknown): DiskferryError {
  return new DiskferryError('grow-failed', `${name}: the ${kind} has not grown: ${why}`, {
    context: { device: name },
    cause,
  });
}

/** The kernel and udev follow what a program has done; what is not there at the end of our patience will not come. */
async function sizeReached(order: GrowOrder, index: number): Promise<number> {
  const planned = order.plan.layers[index];
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    const layer = (await lookPatiently(order)).now.layers[index];
    const least = (planned?.afterBytes ?? Infinity) - (planned?.slackBytes ?? 0);
    if (planned !== undefined && layer !== undefined && !layer.grows && layer.beforeBytes >= least)
      return layer.beforeBytes;
    if (planned === undefined || layer === undefined || performance.now() > untilMs)
      throw growFailed(
        planned ?? (layer as GrowLayer),
        `its program has reported success, but it has ${layer?.beforeBytes ?? 0} bytes instead of ${least}`,
      );
    await sleep(pollMs);
  }
}

/** A partition's node can be away for a moment while udev has the kernel read the table again. */
async function lookPatiently(order: GrowOrder): Promise<Look> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await lookNow(order);
    } catch (error) {
      const mayPass =
        error instanceof DiskferryError && ['partitions-not-shown', 'device-missing'].includes(error.code);
      if (!mayPass || performance.now() > untilMs) throw error;
      await sleep(pollMs);
    }
  }
}
