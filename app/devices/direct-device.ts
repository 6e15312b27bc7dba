/**
 * A device of our own over the destination, from a little behind its start on, to which consumers' tables may
 * lead while a job runs. It stands between them and the destination because LVM takes the disk that LVs lie
 * on for its physical volume: that must not be the destination before everything has crossed. What consumers
 * do on it is counted by the kernel, and nobody else uses it.
 */
import { sectorBytes } from '../base/units.ts';
import { createMapped } from './device-mapper.ts';
import type { MappedDevice } from './device-mapper.ts';
import { directStartSector } from './direct-part.ts';
import { linearTable } from './dm-table.ts';

export interface DirectDeviceOptions {
  readonly job: string;
  /** `majorMinor` of the destination. */
  readonly destination: string;
  /** Of the virtual device: what lies behind it on the destination nobody reaches. */
  readonly sizeBytes: number;
}

export async function makeDirectDevice({
  job,
  destination,
  sizeBytes,
}: DirectDeviceOptions): Promise<MappedDevice> {
  const place = { device: destination, startSector: directStartSector };
  const segments = linearTable(place, sizeBytes / sectorBytes - directStartSector);
  return createMapped({ name: `diskferry-${job}-direct`, segments, audience: 'private' });
}
