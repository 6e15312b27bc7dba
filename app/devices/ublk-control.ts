/**
 * The ublk driver's control device, which is there as soon as the driver is: its node may have to be made.
 */
import { ensureNode } from './device-node.ts';
import { ensureKernelPart } from './kernel-part.ts';

/** Throws with modprobe's words when the driver cannot be loaded. */
export async function ensureUblkControl(): Promise<void> {
  await ensureKernelPart('ublk');
  const sysfsPath = '/sys/class/misc/ublk-control';
  await ensureNode({ path: '/dev/ublk-control', type: 'character', sysfsPath });
}
