/**
 * Volume groups for tests: made over loop devices, and deactivated and forgotten with the test's scratch. After a
 * test that has failed its disks may be hidden, or what its volumes lie on may be dead: LVM cannot end it then.
 */
import { rmSync } from 'node:fs';
import { afterFailure } from '../../app/base/error.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { Scratch } from '../system/support/scratch.ts';

export async function lvm(command: string, ...parameters: readonly string[]): Promise<string> {
  return runCommand(command, parameters, command);
}

export interface LogicalVolume {
  readonly name: string;
  /** As lvcreate takes it: `--size`, `--stripes`, … */
  readonly options: readonly string[];
}

/** `disks` are the physical volumes. Returns when the LVs are active, as /dev/mapper/GROUP-NAME. */
export async function makeVolumeGroup(
  scratch: Scratch,
  group: string,
  { disks, volumes }: { readonly disks: readonly string[]; readonly volumes: readonly LogicalVolume[] },
): Promise<void> {
  await lvm('pvcreate', '--quiet', ...disks);
  await lvm('vgcreate', '--quiet', group, ...disks);
  scratch.onRelease(group, () => deactivate(group, volumes));
  for (const { name, options } of volumes) {
    await lvm('lvcreate', '--quiet', '--yes', '--wipesignatures', 'n', '--name', name, ...options, group);
  }
}

async function deactivate(group: string, volumes: readonly LogicalVolume[]): Promise<void> {
  try {
    await lvm('vgchange', '--quiet', '--activate', 'n', group);
  } catch (error) {
    throw await afterFailure(error, () => forget(group, volumes));
  }
}

/** So that the next test finds none of it. */
async function forget(group: string, volumes: readonly LogicalVolume[]): Promise<void> {
  const names = volumes.map(({ name }) => `${group}-${name}`);
  await runCommand('dmsetup', ['remove', '--force', '--retry', ...names], 'dmsetup');
  rmSync(`/dev/${group}`, { recursive: true, force: true });
}
