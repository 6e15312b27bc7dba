/**
 * A device of our own over the destination, from a little behind its start on, to which consumers' tables may
 * lead while a job runs. It stands between them and the destination because LVM takes the disk that LVs lie
 * on for its physical volume: that must not be the destination before everything has crossed. What consumers
 * do on it is counted by the kernel, and nobody else uses it.
 */
import { sectorBytes } from '../base/units.ts';
import { majorMinorOf } from './block-device.ts';
import { createMapped, infoOf, mappedPath, ownDevices, removeMapped, servesTable } from './device-mapper.ts';
import type { MappedDevice } from './device-mapper.ts';
import { directStartSector } from './direct-part.ts';
import type { Segment } from './dm-table.ts';
import { linearTable } from './dm-table.ts';

export interface DirectDeviceOptions {
  readonly job: string;
  /** `majorMinor` of the destination. */
  readonly destination: string;
  /** Of the virtual device: what lies behind it on the destination nobody reaches. */
  readonly sizeBytes: number;
}

export async function makeDirectDevice(options: DirectDeviceOptions): Promise<MappedDevice> {
  return createMapped({ name: nameFor(options), segments: tableFor(options), audience: 'private' });
}

/**
 * That of a process that was killed; undefined where nothing had gone direct yet. One that it has not finished is taken
 * away: nobody is there.
 */
export async function findDirectDevice(options: DirectDeviceOptions): Promise<MappedDevice | undefined> {
  const name = nameFor(options);
  if (!(await ownDevices()).includes(name)) return undefined;
  if (await servesTable(name, tableFor(options))) {
    const { deviceNumber } = await infoOf(name);
    return { name, path: mappedPath(name), majorMinor: majorMinorOf(deviceNumber) };
  }
  await removeMapped(name);
  return undefined;
}

function nameFor({ job }: DirectDeviceOptions): string {
  return `diskferry-${job}-direct`;
}

function tableFor({ destination, sizeBytes }: DirectDeviceOptions): Segment[] {
  const place = { device: destination, startSector: directStartSector };
  return linearTable(place, sizeBytes / sectorBytes - directStartSector);
}
