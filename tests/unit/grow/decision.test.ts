/** What is found → what grows. Each prefix of the steps that may have been done before a crash is a case of its own. */
import { describe, expect, it, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { DiskferryError } from '../../../app/base/error.ts';
import type { GrowPlan } from '../../../app/contract/grow.ts';
import { growPlanSchema } from '../../../app/contract/grow.ts';
import { decideGrow, planGrow } from '../../../app/grow/decision.ts';
import type { Found, FoundFileSystem, FoundTable } from '../../../app/grow/found.ts';
import {
  blockBytes,
  diskBytes,
  makeFileSystem,
  makeFound,
  makeLuks,
  makePhysicalVolume,
  makeRow,
  makeTable,
  makeVolume,
} from './made-found.ts';

const options = { repairsBackupTable: false };
const grown = makeRow(1, 1, 1022);

function growing(plan: GrowPlan): string[] {
  return plan.layers.filter(({ grows }) => grows).map(({ kind }) => kind);
}

function refusal(found: Found, chosen = options): Pick<DiskferryError, 'code' | 'message'> {
  try {
    decideGrow(found, chosen);
  } catch (error) {
    return error as DiskferryError;
  }
  throw new Error('it was not refused');
}

describe('a partition with a file system', () => {
  it('grows from the table upwards, each layer to what the one below leaves it', () => {
    const plan = growPlanSchema.parse(decideGrow(makeFound(), options));
    expect(plan.layers.map(({ kind, beforeBytes, afterBytes, by }) => [kind, beforeBytes, afterBytes, by])).toEqual([
      ['table', diskBytes / 2 - 33 * 512, diskBytes - 33 * 512, 'sfdisk --relocate gpt-bak-std'],
      ['partition', 500 * mebibyte, 1022 * mebibyte, 'sfdisk -N 1, resizepart'],
      ['file-system', 500 * mebibyte, 1022 * mebibyte, 'resize2fs'],
    ]);
  });

  const atEnd: Partial<FoundTable> = { backup: 'at-end', endBefore: makeTable().endAfter };
  const shownOld = [{ number: 1, offsetBytes: mebibyte, sizeBytes: 500 * mebibyte }];
  test.each([
    ['nothing', {}, ['table', 'partition', 'file-system']],
    ['the table', { table: makeTable(atEnd) }, ['partition', 'file-system']],
    [
      'the partition, and the kernel does not know it',
      { table: makeTable({ ...atEnd, rows: [grown] }), shown: shownOld },
      ['partition', 'file-system'],
    ],
    ['the partition', { table: makeTable({ ...atEnd, rows: [grown] }) }, ['file-system']],
  ])('after a crash behind %s, has the rest to do', (_, change, rest) => {
    expect(growing(decideGrow(makeFound(change), options))).toEqual(rest);
  });

  it('has nothing to do when all is done, and says so', () => {
    const table = makeTable({ ...atEnd, rows: [grown] });
    const found = makeFound({ table, layers: [makeFileSystem({ sizeBytes: 1022 * mebibyte })] });
    expect(growing(planGrow(found, options))).toEqual([]);
    expect(refusal(found)).toMatchObject({ code: 'nothing-to-grow' });
  });

  it('does not move the backup of the table for a partition that does not grow', () => {
    const table = makeTable({ rows: [makeRow(1, 1, 500), makeRow(2, 501, 2)] });
    const found = makeFound({ table, layers: [makeFileSystem({ sizeBytes: 300 * mebibyte })] });
    expect(growing(decideGrow(found, options))).toEqual(['file-system']);
  });

  it('takes what the tool rounds down for full', () => {
    const table = makeTable({ ...atEnd, rows: [grown] });
    const sizes = { sizeBytes: 1022 * mebibyte - 4096, slackBytes: 4096 };
    expect(refusal(makeFound({ table, layers: [makeFileSystem(sizes)] })).code).toBe('nothing-to-grow');
  });
});

it('grows a volume without partitions to the whole disk', () => {
  const plan = decideGrow(makeFound({ table: null }), options);
  expect(plan.layers.map(({ kind, afterBytes }) => [kind, afterBytes])).toEqual([['file-system', diskBytes]]);
});

it('grows LUKS, LVM and the file system on the one LV, in extents and sectors of theirs', () => {
  const inside = { sizeBytes: 480 * mebibyte, name: '/dev/mapper/vg-home--of--all' };
  const layers = [makeLuks(), makePhysicalVolume({ extentCount: 120 }), makeVolume(), makeFileSystem(inside)];
  const plan = decideGrow(makeFound({ layers }), options);
  const sizes = plan.layers.slice(2).map(({ kind, afterBytes }) => [kind, afterBytes / mebibyte]);
  // 1022 - 16 = 1006; less 1 before the first extent, in extents of 4: 1004. The LV takes 131 more, and 4 that were free.
  expect(sizes).toEqual([
    ['luks', 1006],
    ['physical-volume', 1004],
    ['logical-volume', 480 + 4 * (251 - 120 + 4)],
    ['file-system', 480 + 4 * (251 - 120 + 4)],
  ]);
  expect(plan.needsPassphrase).toBe(true);
});

it('asks for no passphrase when the container does not grow', () => {
  const container = makeLuks({ sizeBytes: 1006 * mebibyte });
  const table = makeTable({ backup: 'at-end', rows: [grown] });
  const found = makeFound({ table, layers: [container, makeFileSystem({ sizeBytes: 484 * mebibyte })] });
  expect(decideGrow(found, options).needsPassphrase).toBe(false);
});

it('grows the physical volume alone where no LV is to grow, and says why', () => {
  const alone = 'No LV lies on /dev/sdb1: only the physical volume grows.';
  const plan = decideGrow(makeFound({ layers: [makePhysicalVolume({ alone })] }), options);
  expect(growing(plan)).toEqual(['table', 'partition', 'physical-volume']);
  expect(plan.notes).toContain(alone);
});

const mebibyteRow = makeRow(1, 1, 500);
test.each<[string, Partial<Found>, string, string]>([
  ['a partition that another one follows', { table: makeTable({ rows: [mebibyteRow, makeRow(2, 501, 9)] }) }, 'nothing-to-grow', 'partition 2 follows'],
  ['a disk without a table of which the kernel shows partitions', { table: null, shown: [{ number: 1, offsetBytes: mebibyte, sizeBytes: mebibyte }] }, 'partitions-not-shown', 'no table'],
  ['unknown content', { layers: [{ kind: 'other', name: '/dev/sdb1', type: null }] }, 'cannot-be-grown', 'no content that is known'],
  ['swap', { layers: [{ kind: 'other', name: '/dev/sdb1', type: 'swap' }] }, 'cannot-be-grown', 'holds swap'],
  ['FAT', { layers: [{ kind: 'other', name: '/dev/sdb1', type: 'vfat' }] }, 'cannot-be-grown', 'FAT'],
  ['what it does not know', { layers: [{ kind: 'other', name: '/dev/sdb1', type: 'reiserfs' }] }, 'cannot-be-grown', 'reiserfs'],
  ['LUKS that is not open', { layers: [{ kind: 'other', name: '/dev/sdb1', type: 'crypto_LUKS' }] }, 'container-closed', 'not open'],
  ['a damaged main table', { table: makeTable({ isPrimaryDamaged: true }) }, 'table-damaged', 'main partition table'],
  ['a damaged backup', { table: makeTable({ backup: 'damaged' }) }, 'table-damaged', 'backup'],
  ['a protective MBR alone', { table: makeTable({ type: 'dos', backup: 'none', rows: [makeRow(1, 1, 500, 'ee')] }) }, 'table-damaged', 'says that there is a GPT'],
  ['partitions that overlap', { table: makeTable({ rows: [mebibyteRow, makeRow(2, 400, 200)] }) }, 'table-damaged', 'overlap'],
  ['a partition that overlaps the extended one', { table: makeTable({ type: 'dos', backup: 'none', rows: [makeRow(1, 1, 500, '83'), makeRow(2, 400, 200, 'f'), makeRow(5, 550, 40, '83')] }) }, 'table-damaged', 'partitions 1 and 2 overlap'],
  ['a disk that ends before its partition', { table: makeTable({ rows: [makeRow(1, 1, 1023)] }) }, 'disk-cut-off', 'partition 1 reaches behind'],
  ['a disk that ends before its extended partition', { table: makeTable({ type: 'dos', backup: 'none', rows: [makeRow(1, 1, 500, '83'), makeRow(2, 600, 500, '5')] }) }, 'disk-cut-off', 'partition 2 reaches behind'],
  ['a disk that ends before another partition', { table: makeTable({ rows: [makeRow(1, 1, 500), makeRow(2, 900, 200)] }) }, 'disk-cut-off', 'partition 2 reaches behind'],
  ['a disk that is smaller than its table', { table: makeTable({ endBefore: makeTable().endAfter + 16 }) }, 'disk-cut-off', 'made for a larger disk'],
  ['what a program writes', { writers: [{ device: '/dev/sdb1', command: 'qemu-system-x86', pid: 71 }] }, 'device-in-use', '/dev/sdb1: is open for writing by qemu-system-x86 (process 71)'],
  ['a file system that would be too large for its kind', { layers: [makeFileSystem({ limit: { bytes: 700 * mebibyte, why: 'lacks 64bit' } })] }, 'cannot-be-grown', 'can have 734003200: lacks 64bit'],
  ['a table without partitions', { table: makeTable({ rows: [] }), partition: null }, 'cannot-be-grown', 'lists no partition'],
  ['a partition that there is not', { partition: 7 }, 'usage', 'has no partition 7'],
  ['a partition that the kernel does not show', { shown: [] }, 'partitions-not-shown', 'does not show'],
  ['a partition that the kernel shows elsewhere', { shown: [{ number: 1, offsetBytes: 512, sizeBytes: 500 * mebibyte }] }, 'partitions-not-shown', 'another place'],
  ['a partition that the kernel shows too large', { shown: [{ number: 1, offsetBytes: mebibyte, sizeBytes: 501 * mebibyte }] }, 'partitions-not-shown', 'another size'],
  ['a container that grows in vain', { layers: [makeLuks({ obstacle: 'its header gives it a fixed size' })] }, 'cannot-be-grown', 'fixed size'],
  ['a group that others share', { layers: [makePhysicalVolume({ obstacle: 'shared' })] }, 'cannot-be-grown', 'shared'],
  ['a file system that is larger than its partition', { layers: [makeFileSystem({ sizeBytes: 2 * diskBytes })] }, 'cannot-be-grown', 'only'],
  ['a physical volume that is larger', { layers: [makePhysicalVolume({ extentCount: 1000 })] }, 'cannot-be-grown', 'only'],
  ['a file system that needs a check', { layers: [makeFileSystem({ defect: 'was not unmounted cleanly' })] }, 'needs-check', 'not unmounted cleanly'],
  ['a Btrfs of several devices', { layers: [makeFileSystem({ type: 'btrfs', obstacle: 'is one of several' })] }, 'cannot-be-grown', 'several'],
])('refuses %s', (_, change, code, words) => {
  const { code: refused, message } = refusal(makeFound(change));
  expect(refused).toBe(code);
  expect(message).toContain(words);
});

it.each<[string, Partial<Found>]>([
  ['smaller than its table', { table: makeTable({ backup: 'damaged', endBefore: makeTable().endAfter + 16 }) }],
  ['ended before its partition', { table: makeTable({ backup: 'damaged', rows: [makeRow(1, 1, 1023)] }) }],
])('makes no backup anew on a disk that is %s, whatever it is told', (_, change) => {
  expect(refusal(makeFound(change), { repairsBackupTable: true }).code).toBe('disk-cut-off');
});

it('lets a table be as large as its disk, and an MBR reach as far as it can', () => {
  const whole = makeTable({ backup: 'at-end', rows: [{ ...makeRow(1, 1, 500), count: makeTable().endAfter - 2048 }] });
  expect(planGrow(makeFound({ table: whole }), options).layers[1]).toMatchObject({ kind: 'partition', grows: false });
  const { disk } = makeFound();
  const large = { ...disk, sizeBytes: 4 * 2 ** 41 };
  const end = { endBefore: 2 ** 32, endAfter: 2 ** 32 };
  const beyond = { ...makeRow(1, 1, 500, '83'), start: 2 ** 32 - 2048, count: 8192 };
  const table = makeTable({ type: 'dos', backup: 'none', ...end, rows: [beyond] });
  const small = [makeFileSystem({ sizeBytes: mebibyte })];
  expect(planGrow(makeFound({ disk: large, table, layers: small }), options).layers[0]).toMatchObject({ grows: false });
});

it('asks for nobody who writes where nothing grows', () => {
  const table = makeTable({ backup: 'at-end', rows: [grown] });
  const writers = [{ device: '/dev/sdb', command: 'dd', pid: 1 }];
  const found = makeFound({ table, layers: [makeFileSystem({ sizeBytes: 1022 * mebibyte })], writers });
  expect(refusal(found).code).toBe('nothing-to-grow');
});

it('says better things than that a program writes, where there are any', () => {
  const writers = [{ device: '/dev/sdb1', command: 'ntfs-3g', pid: 9 }];
  const layers = [makeFileSystem({ type: 'ntfs', use: 'mounted', mountPoints: ['/mnt'] })];
  expect(refusal(makeFound({ layers, writers })).code).toBe('mount-not-supported');
});

it('tells of what lies in the room behind the partition, and that free extents are taken', () => {
  expect(decideGrow(makeFound({ behind: 'xfs' }), options).notes.join()).toContain('looks like xfs');
  const inside = { sizeBytes: 480 * mebibyte, name: '/dev/mapper/vg-home' };
  const layers = [makePhysicalVolume(), makeVolume(), makeFileSystem(inside)];
  expect(decideGrow(makeFound({ layers }), options).notes.join()).toContain('16777216 bytes of vg that are free');
  const full = [makePhysicalVolume({ freeExtentCount: 0 }), makeVolume(), makeFileSystem(inside)];
  expect(decideGrow(makeFound({ layers: full }), options).notes).toEqual([]);
});

it('makes a damaged backup anew when it is told to, also where nothing else grows', () => {
  const table = makeTable({ backup: 'damaged', rows: [grown] });
  const layers: FoundFileSystem[] = [makeFileSystem({ sizeBytes: 1022 * mebibyte })];
  const plan = decideGrow(makeFound({ table, layers }), { repairsBackupTable: true });
  expect(growing(plan)).toEqual(['table']);
  expect(plan.repairsBackupTable).toBe(true);
});

it('tells what an MBR cannot reach', () => {
  const table = makeTable({ type: 'dos', backup: 'none', endAfter: 700 * mebibyte / blockBytes });
  const plan = decideGrow(makeFound({ table }), options);
  expect(plan.layers.map(({ kind, afterBytes }) => [kind, afterBytes / mebibyte])).toEqual([
    ['partition', 699],
    ['file-system', 699],
  ]);
  expect(plan.notes.join()).toContain('An MBR reaches no further');
});
