/**
 * Waiting for udev after a change of a device-mapper device, where udev runs, and never longer than a
 * limit: a udev that is stopped, absent in a container, or without device-mapper's rules does not answer.
 *
 * The word that goes along with a change has flags for udev's rules in its upper half and the number of a
 * semaphore in its lower (libdevmapper.h, DM_UDEV_*).
 */
import { existsSync } from 'node:fs';
import { addon } from '../../native/binding.ts';
import type { Announced } from '../../native/device-mapper.ts';
import { runProgram } from './program.ts';

/** There as long as udev runs (libudev, udev_queue_get_udev_is_active). */
const controlSocket = '/run/udev/control';
/** udev probes a device by reading it, which may wait for its slowest disk. */
const answerMsMax = 5_000;

/** For all devices of a machine that has just been started. */
const settleSecondsMax = 10;

const flagShift = 16;
const flag = {
  disableSubsystemRules: 0x0002,
  disableDiskRules: 0x0004,
  disableOtherRules: 0x0008,
  /** The change comes from a program that set the device up: without it the rules make no links. */
  primarySource: 0x0040,
} as const;

/** Who is to notice the device: `private` ones are links of ours that nobody should probe, link or mount. */
export type Audience = 'everybody' | 'private';

export function udevFlags(audience: Audience): number {
  const quiet = flag.disableSubsystemRules | flag.disableDiskRules | flag.disableOtherRules;
  return (flag.primarySource | (audience === 'private' ? quiet : 0)) << flagShift;
}

export function isUdevRunning(): boolean {
  return existsSync(controlSocket);
}

/** Returns when udev has looked at every device that it has heard of, or has had its time. */
export async function settleUdev(): Promise<void> {
  if (!isUdevRunning()) return;
  const words = ['settle', `--timeout=${settleSecondsMax}`];
  await runProgram('udevadm', words, 2 * settleSecondsMax * 1000).catch(() => undefined);
}

/** Makes a change and returns when udev has dealt with it, or has had its time. */
export async function withUdev(
  audience: Audience,
  change: (cookie: number) => Promise<Announced>,
): Promise<Announced> {
  if (!isUdevRunning()) return change(0);
  const number = addon().udevCookieMake();
  try {
    const done = await change(udevFlags(audience) | number);
    if (done.ueventGenerated) await addon().udevCookieWait(number, answerMsMax);
    return done;
  } finally {
    addon().udevCookieRemove(number);
  }
}
