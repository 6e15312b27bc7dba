/**
 * What LVM itself says about a disk that is one of its physical volumes: the volume group, who else uses it,
 * and whether LVM sees the same physical volume a second time. Asks lvm(8), which reads every disk's label;
 * as root.
 */
import * as z from 'zod';
import { runCommand } from './command.ts';

export interface PhysicalVolume {
  readonly groupName: string;
  readonly groupId: string;
  /** Other machines may use the volume group too (lvmlockd, clvmd). */
  readonly isShared: boolean;
  /** LVM finds this physical volume on another disk as well: a copy that was left connected. */
  readonly isDuplicate: boolean;
  /** A second one lies at the end of the disk. */
  readonly metadataAreaCount: number;
}

const fields = [
  'pv_major',
  'pv_minor',
  'vg_name',
  'vg_uuid',
  'vg_shared',
  'vg_clustered',
  'pv_duplicate',
  'pv_mda_count',
];

/** Of all fields lvm gives text. */
const reportSchema = z.object({
  report: z.array(z.object({ pv: z.array(z.record(z.string(), z.string())) })),
});

/** Null when the disk is none, or belongs to no volume group. */
export async function readPhysicalVolume(majorMinor: string): Promise<PhysicalVolume | null> {
  // Of all, because LVM shows a duplicate only under the name of the other one.
  const parameters = ['--reportformat', 'json', '--all', '--options', fields.join(',')];
  return parsePhysicalVolume(
    await runCommand('pvs', parameters, 'listing the physical volumes of LVM'),
    majorMinor,
  );
}

export function parsePhysicalVolume(json: string, majorMinor: string): PhysicalVolume | null {
  const rows = reportSchema.parse(JSON.parse(json)).report.flatMap(({ pv }) => pv);
  const own = rows.find((row) => `${row['pv_major'] ?? ''}:${row['pv_minor'] ?? ''}` === majorMinor);
  const groupName = own?.['vg_name'] ?? '';
  if (own === undefined || groupName === '') return null;
  const groupId = own['vg_uuid'] ?? '';
  return {
    groupName,
    groupId,
    isShared: own['vg_shared'] !== '' || own['vg_clustered'] !== '',
    isDuplicate: rows.some((row) => row['vg_uuid'] === groupId && row['pv_duplicate'] !== ''),
    metadataAreaCount: Number(own['pv_mda_count']),
  };
}
