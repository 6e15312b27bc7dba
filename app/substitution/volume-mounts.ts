/**
 * The mounts of the volume that moves: taken off one device and put on another, as they were
 * (mount-place.ts), at the same places. Mounting and unmounting goes through mount(8) and umount(8), which
 * keep the system's own books.
 *
 * Either all mounts are in place or none; when unmounting stops half-way because somebody keeps the volume busy,
 * what was unmounted is mounted again and the error names who it is. Only where mounting fails some are missing: the
 * others are mounted all the same, but for those that would lie in a missing one, and the next try is for what is missing.
 *
 * After a reboot the system mounts, too, what stands in its table: what it has mounted is in place (system-mount.ts).
 */
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterFailure, bothOf, DiskferryError } from '../base/error.ts';
import type { PlannedMount } from '../contract/plan.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { runCommand } from '../devices/command.ts';
import type { Mount } from '../devices/mounts.ts';
import { readMounts, sourceDevice } from '../devices/mounts.ts';
import { findUsers } from '../devices/processes.ts';
import type { ProcessUse } from '../devices/processes.ts';
import { reachableStat } from '../devices/reachable-stat.ts';
import { isMadeFrom, mountPlace } from './mount-place.ts';
import { mountedBySystem } from './system-mount.ts';

/** Indexers and the like let go within a moment. */
const busyWaitMsMax = 2000;
const busyPollMs = 200;
/** A message names so many processes; more would hide the point. */
const namedProcessesMax = 5;

export class VolumeMounts {
  readonly #mounts: readonly PlannedMount[];
  /** At the moment. */
  readonly #inPlace: Set<PlannedMount>;
  /** Until all are in place for the first time after a crash. */
  #asksSystem: boolean;

  /**
   * In the order of mounting. All of them are in place now; `recovered`: none of them is ours yet, because the job goes
   * on after a crash, perhaps of the machine.
   */
  constructor(mounts: readonly PlannedMount[], state: 'mounted' | 'recovered' = 'mounted') {
    this.#mounts = mounts;
    this.#asksSystem = state === 'recovered';
    this.#inPlace = new Set(this.#asksSystem ? [] : mounts);
  }

  /** Unmounts everything from `device`. Throws `volume-busy` with everything mounted as before. */
  async unmountAll(device: string): Promise<void> {
    try {
      for (const mount of this.#mounts.filter((one) => this.#inPlace.has(one)).reverse()) {
        if (isMounted(mount, device)) await unmount(mount);
        this.#inPlace.delete(mount);
      }
    } catch (error) {
      throw await afterFailure(error, () => this.mountAll(device));
    }
  }

  /** Mounts on `device` what is not mounted, as far as it can be; throws with all that failed. */
  async mountAll(device: string): Promise<void> {
    const failures: unknown[] = [];
    for (const mount of this.#mounts.filter((one) => !this.#inPlace.has(one))) {
      try {
        await this.#mount(mount, device);
        this.#inPlace.add(mount);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures.reduce(bothOf);
    this.#asksSystem = false;
  }

  async #mount(mount: PlannedMount, device: string): Promise<void> {
    const before = this.#mounts.slice(0, this.#mounts.indexOf(mount));
    const others = before.filter((other) => this.#inPlace.has(other));
    const missing = before.find((other) => !others.includes(other) && needs(mount, other, others));
    if (missing !== undefined) throw notWithout(mount, missing);
    if (isPropagated(mount, others, device)) return;
    const isOwn = this.#asksSystem && !others.some((other) => other.target === mount.target);
    const isThere = (): boolean => isOwn && isInPlace(mount, device);
    const number = numberAt(device);
    const leadsTo = (path: string): boolean => number !== undefined && numberAt(path) === number;
    if (isOwn && (await mountedBySystem({ target: mount.target, isThere, leadsTo }))) return;
    try {
      await mountPlace(mount, device, others);
    } catch (error) {
      // The system was quicker, and the kernel mounts nothing twice at the same place.
      if (!isThere()) throw error;
    }
  }
}

function isInPlace({ target, root }: PlannedMount, device: string): boolean {
  const top = readMounts().findLast((mount) => mount.target === target);
  return top !== undefined && top.root === root && isOf(top, device);
}

/** Undefined while it leads nowhere. */
function numberAt(path: string): string | undefined {
  const status = reachableStat(path);
  return status?.isBlockDevice() === true ? majorMinorOf(status.rdev) : undefined;
}

async function unmount({ target }: PlannedMount): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += busyPollMs) {
    try {
      await runCommand('umount', ['--', target], `unmounting ${target}`);
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (waitedMs >= busyWaitMsMax) throw busyError(target, error);
    }
    await sleep(busyPollMs);
  }
}

/** It would lie below what is not there, or is made from nothing else. */
function needs(mount: PlannedMount, missing: PlannedMount, others: readonly PlannedMount[]): boolean {
  const { target } = missing;
  if (mount.target === target || mount.target.startsWith(`${target}/`)) return true;
  return isMadeFrom(mount, missing) && !others.some((other) => isMadeFrom(mount, other));
}

function notWithout({ target }: PlannedMount, missing: PlannedMount): DiskferryError {
  const message = `${target}: is not mounted without ${missing.target}`;
  return new DiskferryError('command-failed', message, { context: { mount: target } });
}

/** The kernel has made it together with one of the others, whose place it sees. */
function isPropagated({ target }: PlannedMount, others: readonly PlannedMount[], device: string): boolean {
  if (others.length === 0 || others.some((other) => other.target === target)) return false;
  const top = readMounts().findLast((mount) => mount.target === target);
  return top !== undefined && isOf(top, device);
}

/**
 * False when somebody has unmounted it, which is all we want. What they mounted instead is not ours to
 * unmount.
 */
function isMounted({ target }: PlannedMount, device: string): boolean {
  const top = readMounts().findLast((mount) => mount.target === target);
  if (top === undefined) return false;
  if (isOf(top, device)) return true;
  const message = `${target}: ${top.source} (${top.fsType}) has been mounted there instead of ${device}`;
  throw new DiskferryError('mount-not-supported', message, { context: { device, mount: target } });
}

function isOf(mount: Mount, device: string): boolean {
  const majorMinor = majorMinorOf(statSync(device, { bigint: true }).rdev);
  return mount.majorMinor === majorMinor || sourceDevice(mount) === majorMinor;
}

function isBusy(error: unknown): boolean {
  return error instanceof DiskferryError && error.code === 'command-failed' && error.message.includes('busy');
}

function busyError(target: string, cause: unknown): DiskferryError {
  const users = findUsers([target]);
  const named = users.slice(0, namedProcessesMax).map(describe);
  const others = users.length > named.length ? ` and ${users.length - named.length} more` : '';
  const who =
    named.length === 0 ? 'something that is not a process (another mount inside it?)' : named.join(', ');
  return new DiskferryError('volume-busy', `${target}: cannot be unmounted: kept busy by ${who}${others}`, {
    context: { target, processes: users.map(({ pid }) => String(pid)) },
    cause,
  });
}

function describe({ command, pid, how, path }: ProcessUse): string {
  return `${command} (process ${pid}, ${how} ${path})`;
}
