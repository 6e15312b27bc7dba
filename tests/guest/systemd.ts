/**
 * The guest in which a whole Debian runs, with systemd, udev, dbus, LVM and udisks, on the emulated machine
 * and the kernel of qemu.ts: here a job meets the programs that look at every device that comes, and that put
 * back what they think is right. Only Node and the repository are the host's.
 */
import { existsSync } from 'node:fs';
import { mebibyte } from '../../app/base/units.ts';
import { debianTree } from './debian-tree.ts';
import type { GuestKind, GuestPlan } from './guest-kind.ts';
import type { GuestJob, JobDirectory } from './job.ts';
import type { EmulatedDisk } from './qemu.ts';
import { emulate, missingForQemu } from './qemu.ts';

const debootstrap = '/usr/sbin/debootstrap';

async function plan(job: GuestJob, directory: JobDirectory, disks: readonly EmulatedDisk[] = []): Promise<GuestPlan> {
  const tree = await debianTree();
  return emulate(job, directory, {
    disks,
    script: 'systemd-init.sh',
    parameters: [
      `GUEST_TREE=${tree}`,
      `GUEST_WORK=${job.workingDirectory}`,
      `GUEST_NODE=${process.execPath}`,
      // Its messages go nowhere else, and only matter when it does not come up.
      'systemd.show_status=false',
      'systemd.log_target=kmsg',
    ],
  });
}

export const systemd: GuestKind = {
  name: 'systemd',
  hasUdev: true,
  tests: ['tests/guest/systemd/'],
  missing,
  plan: (job, directory) => plan(job, directory),
};

/** The same with disks that a reset leaves as they are. What is in `kept` of its job's directory is laid over its root. */
export const reset: GuestKind = {
  name: 'reset',
  hasUdev: true,
  tests: ['tests/guest/reset/'],
  missing,
  plan: (job, directory) =>
    plan(job, directory, [
      { serial: 'source', sizeBytes: 192 * mebibyte },
      { serial: 'destination', sizeBytes: 256 * mebibyte },
      { serial: 'state', sizeBytes: 160 * mebibyte },
    ]),
};

function missing(): string | undefined {
  return missingForQemu() ?? (existsSync(debootstrap) ? undefined : 'the package debootstrap');
}
