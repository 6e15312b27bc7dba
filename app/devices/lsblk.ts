/**
 * What only lsblk tells for everybody: model, serial, bus, and the content that udev has recognised.
 * `--output-all`, because older versions refuse columns that they do not know; each column may be missing.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { DeviceContent } from '../contract/plan.ts';
import { noContent } from './block-device.ts';
import { headerMsMax, runProgram } from './program.ts';

const column = z.string().nullish();

/** What a disk holds, as far as lsblk tells. */
const contentColumns = ['fstype', 'uuid', 'label', 'pttype', 'ptuuid'] as const;

const rowSchema = z.looseObject({
  'maj:min': z.string(),
  model: column,
  vendor: column,
  serial: column,
  wwn: column,
  tran: column,
  fstype: column,
  uuid: column,
  label: column,
  pttype: column,
  ptuuid: column,
  partuuid: column,
  /** Old versions print numbers as strings. */
  fsused: z.union([z.string(), z.number()]).nullish(),
});

const outputSchema = z.object({ blockdevices: z.array(rowSchema) });

export interface LsblkDevice {
  readonly model: string | null;
  readonly vendor: string | null;
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly bus: string | null;
  readonly content: DeviceContent | null;
  readonly usedBytes: number | null;
  readonly partitionUuid: string | null;
}

/**
 * What it knows without opening a disk: where udev has no record, it would look at the disk itself, and wait for one that
 * is sick.
 */
const unopened = ['MAJ:MIN', 'MODEL', 'VENDOR', 'SERIAL', 'WWN', 'TRAN'];

/** What parseLsblk reads. Where a disk keeps lsblk waiting, nothing of what the disks hold. */
export async function readLsblk(timeMsMax = headerMsMax): Promise<string> {
  const form = ['--json', '--bytes', '--list'];
  const result = await runProgram('lsblk', [...form, '--output-all'], timeMsMax).catch((error: unknown) => {
    if (!(error instanceof DiskferryError) || error.code !== 'command-failed') throw error;
    return runProgram('lsblk', [...form, '--output', unopened.join(',')], timeMsMax);
  });
  // 32: no block devices at all; 64: some vanished meanwhile. Both leave valid output.
  if (![0, 32, 64].includes(result.exitCode)) {
    throw new DiskferryError(
      'command-failed',
      `lsblk: ended with ${result.exitCode}: ${result.stderr.trim()}`,
    );
  }
  return result.stdout;
}

/** By `majorMinor`. */
export function parseLsblk(
  json: string,
  isProbed: (majorMinor: string) => boolean,
): Map<string, LsblkDevice> {
  const devices = new Map<string, LsblkDevice>();
  if (json.trim() === '') return devices;
  for (const row of outputSchema.parse(JSON.parse(json)).blockdevices) {
    const majorMinor = row['maj:min'].trim();
    devices.set(majorMinor, {
      model: cleaned(row.model),
      vendor: cleaned(row.vendor),
      serial: cleaned(row.serial),
      wwn: cleaned(row.wwn),
      bus: cleaned(row.tran),
      content: contentOf(row, isProbed(majorMinor)),
      usedBytes: row.fsused === null || row.fsused === undefined ? null : Number(row.fsused),
      partitionUuid: cleaned(row.partuuid),
    });
  }
  return devices;
}

/** Without udev's record an empty column does not mean an empty disk: nobody has looked. */
function contentOf(row: z.infer<typeof rowSchema>, isProbed: boolean): DeviceContent | null {
  const content: DeviceContent = {
    fileSystemType: cleaned(row.fstype),
    fileSystemUuid: cleaned(row.uuid),
    label: cleaned(row.label),
    partitionTableType: cleaned(row.pttype),
    partitionTableUuid: cleaned(row.ptuuid),
  };
  const hasAny = Object.values(content).some((value) => value !== null);
  if (hasAny) return content;
  // Where lsblk was not asked, it has not said what a look at the disk has found.
  const wasAsked = contentColumns.some((name) => row[name] !== undefined);
  return isProbed && wasAsked ? noContent : null;
}

function cleaned(value: string | null | undefined): string | null {
  const text = value?.trim() ?? '';
  return text === '' ? null : text;
}
