/** What look.ts could find: a disk of 1 GiB with one ext4 partition of half of it, copied from a disk of half its size. */
import { gibibyte, mebibyte } from '../../../app/base/units.ts';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import type {
  Found,
  FoundFileSystem,
  FoundLayer,
  FoundLogicalVolume,
  FoundLuks,
  FoundPhysicalVolume,
  FoundRow,
  FoundTable,
} from '../../../app/grow/found.ts';

export const diskBytes = gibibyte;
export const blockBytes = 512;
const mebibyteBlocks = mebibyte / blockBytes;

export function makeDisk(path: string, majorMinor: string, sizeBytes: number): PlannedDisk {
  const identity = {
    ...{ path, majorMinor, inode: null, sizeBytes, diskSequence: '7', serial: null, wwn: null, content: null },
  };
  const shape = { sizeBytes, logicalBlockBytes: blockBytes, physicalBlockBytes: blockBytes };
  const nothing = { model: null, serial: null, bus: null, content: null };
  return { path, kind: 'block', toBeCreated: false, ...shape, ...nothing, identity };
}

export function makeRow(number: number, fromMebibytes: number, mebibytes: number, type = 'linux'): FoundRow {
  const [start, count] = [fromMebibytes * mebibyteBlocks, mebibytes * mebibyteBlocks];
  return { number, start, count, type, uuid: `uuid-${number}`, marks: '{}' };
}

/** As GPT has it on the disk: the backup is where the smaller disk ended. */
export function makeTable(change: Partial<FoundTable> = {}): FoundTable {
  return {
    ...{ type: 'gpt', uuid: 'table', blockBytes, backup: 'elsewhere', isPrimaryDamaged: false },
    endBefore: diskBytes / 2 / blockBytes - 33,
    endAfter: diskBytes / blockBytes - 33,
    rows: [makeRow(1, 1, 500)],
    hybridStarts: [],
    ...change,
  };
}

export function makeFileSystem(change: Partial<FoundFileSystem> = {}): FoundFileSystem {
  return {
    ...{ kind: 'file-system', name: '/dev/sdb1', type: 'ext4', uuid: 'fs', sizeBytes: 500 * mebibyte, unitBytes: 4096 },
    ...{ slackBytes: mebibyte, use: 'unmounted', mayGrowMounted: true, mountPoints: [], limit: null, defect: null, obstacle: null },
    ...change,
  };
}

export function makeLuks(change: Partial<FoundLuks> = {}): FoundLuks {
  return {
    ...{ kind: 'luks', name: '/dev/mapper/vault', uuid: 'luks', below: '/dev/sdb1', sizeBytes: 484 * mebibyte },
    ...{ offsetBytes: 16 * mebibyte, unitBytes: 4096, needsPassphrase: true, obstacle: null },
    ...change,
  };
}

export function makePhysicalVolume(change: Partial<FoundPhysicalVolume> = {}): FoundPhysicalVolume {
  return {
    ...{ kind: 'physical-volume', name: '/dev/sdb1', uuid: 'pv', group: 'vg', extentBytes: 4 * mebibyte },
    ...{ firstExtentBytes: mebibyte, extentCount: 124, freeExtentCount: 4, obstacle: null, alone: null },
    ...change,
  };
}

export function makeVolume(change: Partial<FoundLogicalVolume> = {}): FoundLogicalVolume {
  return { kind: 'logical-volume', name: 'vg/home-of-all', uuid: 'lv', sizeBytes: 480 * mebibyte, ...change };
}

export function makeFound(change: Partial<Found> & { readonly layers?: readonly FoundLayer[] } = {}): Found {
  const table = change.table === undefined ? makeTable() : change.table;
  const disk = makeDisk('/dev/sdb', '8:16', diskBytes);
  const shown = (table?.rows ?? []).map(({ number, start, count }) => ({
    ...{ number, offsetBytes: start * blockBytes, sizeBytes: count * blockBytes },
  }));
  return {
    ...{ disk, table, shown, partition: table === null ? null : 1 },
    device: table === null ? disk : makeDisk('/dev/sdb1', '8:17', 500 * mebibyte),
    ...{ layers: [makeFileSystem()], writers: [], behind: null },
    ...change,
  };
}
