/**
 * dm-mirror: writes go to both disks; a region that is being copied holds them back. Regions of 512 KiB, as
 * LVM has them.
 */
import { kibibyte, sectorBytes } from '../../../../app/base/units.ts';
import { statusOf } from '../../../../app/devices/device-mapper.ts';
import type { Mover } from '../mover.ts';
import { becomesTrue } from '../mover.ts';
import { StandIn } from './stand-in.ts';

const regionSectors = (512 * kibibyte) / sectorBytes;

export const dmMirror: Mover = {
  name: 'dm-mirror',

  async begin(part, volume) {
    const standIn = await StandIn.put(part, volume);
    return {
      async copy(msMax) {
        await standIn.become(
          `mirror core 1 ${regionSectors} 2 ${volume.disks.source.path} 0 ${volume.disks.destination.path} 0`,
        );
        return becomesTrue(() => hasAll(standIn.name), msMax);
      },
      cutOver: () => standIn.leave(volume.disks.destination.path),
      giveUp: () => standIn.leave(volume.disks.source.path),
    };
  },
};

/** `2 DEVICE DEVICE IN-SYNC/ALL …` */
async function hasAll(name: string): Promise<boolean> {
  const [status = ''] = await statusOf(name);
  const [inSync, all] = (status.split(' ')[3] ?? '').split('/');
  if (all === undefined) throw new Error(`dm-mirror's status cannot be read: ${status}`);
  return inSync === all;
}
