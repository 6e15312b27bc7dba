/**
 * dm-clone: reads what has not crossed from the source, writes to the destination, and copies in the
 * background while no request is under way. A write of part of a region that has not crossed waits until the
 * region has.
 */
import { existsSync } from 'node:fs';
import { present } from '../../../../app/base/error.ts';
import { kibibyte, mebibyte, sectorBytes } from '../../../../app/base/units.ts';
import { runCommand } from '../../../../app/devices/command.ts';
import { statusOf } from '../../../../app/devices/device-mapper.ts';
import { makeDisk } from '../../bench-disks.ts';
import type { Mover } from '../mover.ts';
import { becomesTrue } from '../mover.ts';
import { StandIn } from './stand-in.ts';

const metadataBytes = 16 * mebibyte;
/** Names the file of the module, which the guest's kernel does not come with. */
export const moduleVariable = 'DISKFERRY_DM_CLONE';

export function dmClone(regionKibibytes: number): Mover {
  return {
    name: `dm-clone ${regionKibibytes}k`,

    async begin(part, volume) {
      await loadModule();
      const metadata = await makeDisk(part, 'metadata', metadataBytes, 'zeroes');
      const standIn = await StandIn.put(part, volume);
      const disks = `${metadata.path} ${volume.disks.destination.path} ${volume.disks.source.path}`;
      const regionSectors = (regionKibibytes * kibibyte) / sectorBytes;
      await standIn.become(`clone ${disks} ${regionSectors} 1 no_hydration`);
      return {
        async copy(msMax) {
          await runCommand('dmsetup', ['message', standIn.name, '0', 'enable_hydration'], 'dmsetup message');
          return becomesTrue(() => hasAll(standIn.name), msMax);
        },
        cutOver: () => standIn.leave(volume.disks.destination.path),
        giveUp: () => standIn.leave(volume.disks.source.path),
      };
    },
  };
}

async function loadModule(): Promise<void> {
  if (existsSync('/sys/module/dm_clone')) return;
  const file = present(process.env[moduleVariable], moduleVariable);
  await runCommand('modprobe', ['dm-persistent-data'], 'loading dm-persistent-data');
  await runCommand('insmod', [file], 'loading dm-clone');
}

/** `METADATA-BLOCK-SIZE USED/ALL REGION-SIZE HYDRATED/ALL HYDRATING …` */
async function hasAll(name: string): Promise<boolean> {
  const [status = ''] = await statusOf(name);
  const [hydrated, all] = (status.split(' ')[3] ?? '').split('/');
  if (all === undefined) throw new Error(`dm-clone's status cannot be read: ${status}`);
  return hydrated === all;
}
