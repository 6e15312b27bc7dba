/** Volume groups for tests: made over loop devices, and deactivated and forgotten with the test's scratch. */
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
  scratch.onRelease(group, async () => {
    await lvm('vgchange', '--quiet', '--activate', 'n', group);
  });
  for (const { name, options } of volumes) {
    await lvm('lvcreate', '--quiet', '--yes', '--wipesignatures', 'n', '--name', name, ...options, group);
  }
}
