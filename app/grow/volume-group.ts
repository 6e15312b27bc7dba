/**
 * A physical volume and the LV on it that grows with it, from lvm(8)'s reports; and the two commands that
 * grow them. LVs are named by LVM's own names, never by those of device-mapper, which doubles dashes.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import { runCommand } from '../devices/command.ts';
import type { FoundLogicalVolume, FoundPhysicalVolume } from './found.ts';
import { parseOutput } from './program-output.ts';

/** lvm gives all fields as text. */
const rowSchema = z.record(z.string(), z.string());
type Row = z.infer<typeof rowSchema>;
/** By what the rows are of: `pv`, `lv`, and with --segments `pvseg`. */
const reportSchema = z.object({ report: z.array(z.record(z.string(), z.array(rowSchema))) });
type RowKind = 'pv' | 'pvseg' | 'lv';

const sizes = ['--reportformat', 'json', '--units', 'b', '--nosuffix'];
const pvFields = [
  ...['pv_name', 'pv_uuid', 'pv_major', 'pv_minor', 'pv_mda_count', 'pv_duplicate', 'pv_missing', 'pe_start'],
  ...['pv_pe_count', 'pv_pe_alloc_count', 'pv_allocatable'],
  ...['vg_name', 'vg_uuid', 'vg_shared', 'vg_clustered', 'vg_exported', 'vg_extent_size', 'vg_permissions'],
];
const lvFields = ['lv_name', 'lv_uuid', 'lv_size', 'lv_attr', 'segtype', 'lv_kernel_major', 'lv_kernel_minor'];

export interface FoundGroup {
  readonly physicalVolume: FoundPhysicalVolume;
  /** The one that grows, and its device. */
  readonly logicalVolume: { readonly layer: FoundLogicalVolume; readonly majorMinor: string } | null;
}

/**
 * `volume`: the LV that was asked for, with or without its group. Null: LVM knows no such physical volume.
 */
export async function readGroup(
  device: { readonly majorMinor: string; readonly path: string },
  volume: string | null,
): Promise<FoundGroup | null> {
  const ask = (command: string, kind: RowKind, parameters: readonly string[]): Promise<Row[]> =>
    lvm(device.path, { command, kind, parameters });
  const rows = await ask('pvs', 'pv', ['--all', '--options', pvFields.join(',')]);
  const own = rows.find((row) => isOn(row, device.majorMinor));
  if (own === undefined || own['vg_name'] === '') return null;
  const group = own['vg_name'] ?? '';
  const segments = await ask('pvs', 'pvseg', ['--segments', '--options', 'pv_major,pv_minor,pvseg_start,lv_name']);
  const volumes = await ask('lvs', 'lv', ['--options', lvFields.join(','), '--', group]);
  const onDisk = segments.filter((row) => isOn(row, device.majorMinor) && row['lv_name'] !== '');
  const chosen = chooseVolume({ device: device.path, group, volume, volumes, segments: onDisk });
  return {
    physicalVolume: physicalVolumeOf(device.path, { own, rows, alone: chosen.alone }),
    logicalVolume: chosen.row === null ? null : logicalVolumeOf(group, chosen.row),
  };
}

interface Question {
  readonly command: string;
  readonly kind: RowKind;
  readonly parameters: readonly string[];
}

async function lvm(device: string, { command, kind, parameters }: Question): Promise<Row[]> {
  const json = await runCommand(command, [...sizes, ...parameters], `asking LVM (${command})`);
  return parseReport(device, json, kind);
}

/** Pure. A report of another kind than was asked for is no empty one. */
export function parseReport(device: string, json: string, kind: RowKind): Row[] {
  const { report } = parseOutput(reportSchema, json, { device, program: 'LVM' });
  return report.flatMap((part) => {
    const rows = part[kind];
    if (rows !== undefined) return rows;
    const message = `${device}: LVM reports ${Object.keys(part).join(', ')} instead of ${kind}`;
    throw new DiskferryError('cannot-be-grown', message, { context: { device } });
  });
}

function isOn(row: Row, majorMinor: string): boolean {
  return `${row['pv_major'] ?? ''}:${row['pv_minor'] ?? ''}` === majorMinor;
}

function physicalVolumeOf(
  device: string,
  { own, rows, alone }: { readonly own: Row; readonly rows: readonly Row[]; readonly alone: string | null },
): FoundPhysicalVolume {
  const number = (field: string): number => Number(own[field]);
  return {
    ...{ kind: 'physical-volume', name: device, uuid: own['pv_uuid'] ?? '', group: own['vg_name'] ?? '', alone },
    ...{ extentBytes: number('vg_extent_size'), firstExtentBytes: number('pe_start') },
    extentCount: number('pv_pe_count'),
    freeExtentCount: own['pv_allocatable'] === '' ? 0 : number('pv_pe_count') - number('pv_pe_alloc_count'),
    obstacle: obstacleOf(own, rows),
  };
}

/** Pure. Why a physical volume cannot be grown, as the end of a sentence that begins with its name. */
export function obstacleOf(own: Row, rows: readonly Row[]): string | null {
  const group = rows.filter((row) => row['vg_uuid'] === own['vg_uuid']);
  const obstacles: readonly (readonly [isThere: boolean, why: string])[] = [
    [own['vg_shared'] !== '' || own['vg_clustered'] !== '', 'its volume group is shared with other machines'],
    [own['vg_exported'] !== '', 'its volume group is exported'],
    [group.some((row) => row['pv_duplicate'] !== ''), 'LVM sees a physical volume of its group on two disks'],
    [group.some((row) => row['pv_missing'] !== ''), 'a disk of its volume group is missing'],
    [Number(own['pv_mda_count']) > 1, 'LVM keeps a second metadata area at its end'],
    [own['vg_permissions']?.startsWith('read-only') === true, 'its volume group is read-only'],
  ];
  return obstacles.find(([isThere]) => isThere)?.[1] ?? null;
}

// ---- which LV

interface Choice {
  readonly device: string;
  readonly group: string;
  readonly volume: string | null;
  readonly volumes: readonly Row[];
  readonly segments: readonly Row[];
}

/**
 * Pure. Throws `usage` for a volume that is not there, `cannot-be-grown` for one that was asked for and
 * cannot.
 */
export function chooseVolume(choice: Choice): { readonly row: Row | null; readonly alone: string | null } {
  const { device, group, volume, volumes } = choice;
  const name = volume === null ? lastOn(choice) : nameIn(group, volume);
  if (name === null) return { row: null, alone: `No LV lies on ${device}: only the physical volume grows.` };
  const rows = volumes.filter((row) => row['lv_name'] === name);
  const [row] = rows;
  const context = { device };
  if (row === undefined && volume !== null)
    throw new DiskferryError('usage', `${device}: its volume group ${group} has no LV ${volume}`, { context });
  // One row per segment.
  const why = row === undefined ? 'is hidden in another one' : (rows.map(whyNot).find((one) => one !== null) ?? null);
  if (why === null) return { row: row ?? null, alone: null };
  if (volume === null)
    return { row: null, alone: `The last LV on ${device}, ${group}/${name}, ${why}: only the physical volume grows.` };
  throw new DiskferryError('cannot-be-grown', `${device}: its LV ${group}/${name} ${why}`, { context });
}

function nameIn(group: string, volume: string): string {
  return volume.startsWith(`${group}/`) ? volume.slice(group.length + 1) : volume;
}

function lastOn({ segments }: Choice): string | null {
  const start = (row: Row): number => Number(row['pvseg_start']);
  const last = segments.reduce<Row | null>((best, row) => (best === null || start(row) > start(best) ? row : best), null);
  return last?.['lv_name'] ?? null;
}

/** By lvs(8), "lv_attr": type, permissions, …, state. A plain LV has no letter for its type. */
function whyNot(row: Row): string | null {
  const [type, permission, , , state] = row['lv_attr'] ?? '';
  if (row['segtype'] !== 'linear' || type !== '-') return `is not a plain linear one (${row['segtype'] ?? ''}, ${type ?? ''})`;
  if (permission !== 'w') return 'is read-only';
  return state === 'a' ? null : 'is not active';
}

function logicalVolumeOf(group: string, row: Row): NonNullable<FoundGroup['logicalVolume']> {
  const name = `${group}/${row['lv_name'] ?? ''}`;
  const layer: FoundLogicalVolume = {
    ...{ kind: 'logical-volume', name, uuid: row['lv_uuid'] ?? '', sizeBytes: Number(row['lv_size']) },
  };
  return { layer, majorMinor: `${row['lv_kernel_major'] ?? ''}:${row['lv_kernel_minor'] ?? ''}` };
}

/**
 * Only on this disk, however much is free on others. Sizes in bytes: a unit that lvm could take for another
 * is none.
 */
export const lvextendWords = (name: string, bytes: number, disk: string): string[] => [
  ...['--yes', '--size', `+${bytes}b`, '--', name, disk],
];
