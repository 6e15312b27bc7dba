/**
 * pvmove: LVM's own way to another disk, which first joins the group. It does all in one: when it has copied,
 * the volume lies on the destination. It looks at its progress only once a second at the most.
 */
import { runCommand } from '../../../../app/devices/command.ts';
import type { Mover } from '../mover.ts';
import { within } from '../mover.ts';
import { group } from '../moved-volume.ts';

export const pvmove: Mover = {
  name: 'pvmove',

  async begin(_part, volume) {
    const [from, to] = [volume.disks.source.path, volume.disks.destination.path];
    await lvm('pvcreate', to);
    await lvm('vgextend', group, to);
    return {
      copy: (msMax) => within(msMax, lvm('pvmove', '--interval', '1', from, to)),
      cutOver: () => leaveGroup(from),
      async giveUp() {
        await lvm('pvmove', '--abort');
        await leaveGroup(to);
      },
    };
  },
};

async function leaveGroup(path: string): Promise<void> {
  await lvm('vgreduce', group, path);
  await lvm('pvremove', path);
}

async function lvm(command: string, ...parameters: readonly string[]): Promise<void> {
  await runCommand(command, ['--quiet', ...parameters], command);
}
