/**
 * Carries a confirmed plan out, from the disk upwards, so that a layer grows only into room that is there.
 *
 * There is no journal: what is on the disk says how far it has come, and every layer that has its old size
 * still is whole on a device that has become larger. So after a kill or a power cut at any step the same
 * command goes on with what is left. For each step:
 *
 *     look ── is it the plan's disk, with the plan's layers and sizes? ── run the program ── look ── has it the new size?
 *              no: nothing is done any more                                                   no: said, and nothing above it is done
 *
 * The disk and the partition are held open from before the first look to the end, and were compared with the
 * plan on these descriptors (invariant 9): while they are open their numbers cannot become another disk's,
 * and the kernel does not drop the partition when it reads the table again. A lock on the disk keeps udev and
 * a second grow away; the program of a step holds it too, so that it is not given up before that has ended
 * when we are killed. A move takes no such lock: what it does to the disk, an exclusive open or a device on
 * it, is seen by the look before each step. A program in its step is never interrupted: a signal ends the
 * grow behind it. The check before the first one is ended at once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf, present } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { GrowLayer, GrowPlan } from '../contract/grow.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { mountableAt } from '../devices/private-mount.ts';
import { handingDown } from '../devices/program-to-its-end.ts';
import { reachableStat } from '../devices/reachable-stat.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { lockFile, openDisk } from '../devices/open-disk.ts';
import { ReleaseStack } from '../base/release.ts';
import { growWay } from './content-decision.ts';
import type { GrowOptions } from './decision.ts';
import { planGrow } from './decision.ts';
import { requireSame } from './difference.ts';
import type { Found, FoundFileSystem, FoundLuks } from './found.ts';
import { checkerOf, checkWhole, rehearseMount } from './full-checks.ts';
import type { GrowRequest } from './look.ts';
import { look } from './look.ts';
import { testPassphrase } from './luks-container.ts';
import { growLayer } from './steps.ts';

export interface GrowOrder {
  readonly request: GrowRequest;
  readonly options: GrowOptions;
  readonly plan: GrowPlan;
  readonly passphrase: Uint8Array | undefined;
  /** Called before a whole check of what lies on the device, which may take hours. */
  readonly tellCheck: (device: string, checker: string) => void;
  /** Called when a layer has its new size. */
  readonly tell: (layer: GrowLayer, sizeBytes: number) => void;
  /** Ends a check, and keeps the next step from being begun. */
  readonly signal: AbortSignal;
}

/** udev looks at a disk for a moment; sysfs and nodes follow a change by as much. */
const patienceMs = 8000;
const looksMin = 3;
const pollMs = 100;

export async function carryOut(order: GrowOrder): Promise<void> {
  const { plan } = order;
  const held = new ReleaseStack();
  try {
    const fds = await hold(plan, held);
    const begun = await lookNow(order);
    requireSame(plan, begun.now, 'planned');
    await checkFirst(begun.found, order);
    if (plan.needsPassphrase) await testKey(begun.found, order.passphrase);
    await handingDown(fds, () => carryOutSteps(order));
  } finally {
    await held.releaseAll();
  }
}

/** Returns the descriptors: of the disk, with the lock, and of the partition. */
async function hold({ disk, device }: GrowPlan, held: ReleaseStack): Promise<number[]> {
  const opened = await openDisk(disk, 'read', 'shared');
  held.add('the disk', () => opened.close());
  await lockInTime(disk.path, opened);
  if (device.path === disk.path) return [opened.handle.fd];
  const part = await openDisk(device, 'read', 'shared');
  held.add('the partition', () => part.close());
  return [opened.handle.fd, part.handle.fd];
}

/** Another grow has it for longer. */
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

/** A file system that is mounted is its kernel's to check, and has just been seen there. */
async function checkFirst({ layers }: Found, { tellCheck, signal }: GrowOrder): Promise<void> {
  const system = layers.find((layer): layer is FoundFileSystem => layer.kind === 'file-system');
  if (system?.use !== 'unmounted') return;
  const { name, type } = system;
  tellCheck(name, checkerOf(type));
  await checkWhole(name, type, signal);
  if (growWay(system) === 'privately' && type !== 'f2fs' && type !== 'ntfs')
    await rehearseMount(mountableAt(name), type);
}

async function testKey({ layers }: Found, passphrase: Uint8Array | undefined): Promise<void> {
  const container = layers.find((layer): layer is FoundLuks => layer.kind === 'luks' && layer.needsPassphrase);
  if (container !== undefined) await testPassphrase(container.below, passphrase);
}

/** The look behind a step is the one before the next: nothing comes between them. */
async function carryOutSteps(order: GrowOrder): Promise<void> {
  const { layers, disk } = order.plan;
  let seen: Look | null = null;
  for (const [index, { grows }] of layers.entries()) {
    if (!grows) continue;
    try {
      seen = await carryOutStep(order, index, seen ?? (await lookPatiently(order)));
    } catch (error) {
      throw seen === null ? error : behindChange(disk.path, error);
    }
  }
}

/** A refusal that comes behind a step must not say that nothing was changed. */
function behindChange(path: string, error: unknown): unknown {
  if (error instanceof DiskferryError && ['grow-failed', 'grow-interrupted'].includes(error.code)) return error;
  const message = `${path}: has grown in part only: ${messageOf(error)}`;
  return new DiskferryError('grow-failed', message, { context: { device: path }, cause: error });
}

// ---- one step

/** Returns what is seen behind it. */
async function carryOutStep(order: GrowOrder, index: number, { found, now }: Look): Promise<Look> {
  const { plan, passphrase, tell } = order;
  const { path } = plan.disk;
  if (order.signal.aborted)
    throw new DiskferryError('grow-interrupted', `${path}: interrupted between two steps`, {
      context: { device: path },
    });
  requireSame(plan, now, 'planned');
  const layer = present(now.layers[index], 'it has the layers of the plan');
  if (layer.grows) {
    requireStillThere(plan);
    await orGrowFailed(layer, () => growLayer({ plan, found, layer, passphrase }));
  }
  const { seen, sizeBytes } = await sizeReached(order, index).catch((error: unknown) => {
    throw behindChange(path, error);
  });
  tell(layer, sizeBytes);
  return seen;
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

/**
 * The kernel and udev follow what a program has done; what is not there at the end of our patience will not
 * come.
 */
async function sizeReached(order: GrowOrder, index: number): Promise<{ seen: Look; sizeBytes: number }> {
  const planned = order.plan.layers[index];
  const isOver = startPatience();
  for (;;) {
    const seen = await lookPatiently(order);
    const layer = seen.now.layers[index];
    const least = (planned?.afterBytes ?? Infinity) - (planned?.slackBytes ?? 0);
    if (planned !== undefined && layer !== undefined && !layer.grows && layer.beforeBytes >= least)
      return { seen, sizeBytes: layer.beforeBytes };
    if (planned === undefined || layer === undefined || isOver())
      throw growFailed(
        planned ?? (layer as GrowLayer),
        `its program has reported success, but it has ${layer?.beforeBytes ?? 0} bytes instead of ${least}`,
      );
    await sleep(pollMs);
  }
}

/**
 * A partition's node can be away for a moment while udev has the kernel read the table again; a device that
 * has just been given another size may refuse to be read, or be held by who is told of it; a mount of ours
 * may go a little later.
 */
const passing: ReadonlySet<ErrorCode> = new Set([
  ...(['partitions-not-shown', 'device-missing'] as const),
  ...(['device-permission-denied', 'device-open-failed', 'device-in-use'] as const),
]);

async function lookPatiently(order: GrowOrder): Promise<Look> {
  const isOver = startPatience();
  for (;;) {
    try {
      return await lookNow(order);
    } catch (error) {
      const mayPass = error instanceof DiskferryError && passing.has(error.code);
      if (!mayPass || isOver()) throw error;
      await sleep(pollMs);
    }
  }
}

/** To be asked after each look; they are several also where one takes longer than all our patience. */
function startPatience(): () => boolean {
  const untilMs = performance.now() + patienceMs;
  let looks = 0;
  return () => {
    looks += 1;
    return looks >= looksMin && performance.now() > untilMs;
  };
}
