/**
 * qemu-storage-daemon below the kernel's nbd: its mirror copies in the background what is dirty until nothing
 * is left.
 */
import { runCommand } from '../../../../app/devices/command.ts';
import { QemuStorageDaemon } from '../../peers/qemu-storage-daemon.ts';
import type { Mover } from '../mover.ts';

const device = '/dev/nbd15';

export const qemuNbd: Mover = {
  name: 'qemu-storage-daemon, nbd',

  async begin(part, volume) {
    const qemu = await QemuStorageDaemon.start(part, volume.disks);
    const { socketPath, exportName } = await qemu.exportNbd(part);
    await runCommand('nbd-client', ['-unix', socketPath, device, '-name', exportName], 'nbd-client');
    part.held.add(device, () => runCommand('nbd-client', ['-d', device], 'nbd-client').then(() => {}));
    await volume.lieOn(device);
    return {
      copy: (msMax) => qemu.mirror('background', msMax),
      async cutOver() {
        await qemu.pivot();
        await volume.lieOn(volume.disks.destination.path);
      },
      giveUp: () => volume.lieOn(volume.disks.source.path),
    };
  },
};
