/** What the system's tools print, read: partition tables, LVM, LUKS, ext4, capabilities. */
import { describe, expect, it, test } from 'vitest';
import type { DiskferryError } from '../../../app/base/error.ts';
import { parseCapabilities } from '../../../app/devices/capability.ts';
import { parseExt, whileMounted } from '../../../app/grow/file-system-size.ts';
import { hasFixedSize, sectorSizeOf } from '../../../app/grow/luks-container.ts';
import { differenceBesideSize, parseTable } from '../../../app/grow/partition-table.ts';
import { chooseVolume, lvextendWords, obstacleOf, parseReport } from '../../../app/grow/volume-group.ts';
import { makeRow, makeTable } from './made-found.ts';

describe('sfdisk', () => {
  const disk = { path: '/dev/nvme0n1', sizeBytes: 300 * 1024 * 1024, logicalBlockBytes: 512 };
  const row = { node: '/dev/nvme0n1p3', start: 2048, size: 81920, type: 'A', uuid: 'B' };
  const output = { label: 'gpt', id: 'X', lastlba: 409566, sectorsize: 512, partitions: [row] };
  const moved = 'The backup GPT table is not on the end of the device.\n';
  const damaged = 'The backup GPT table is corrupt, but the primary appears OK, so that will be used.\n';
  const lost = 'The primary GPT table is corrupt, but the backup appears OK, so that will be used.\n';

  test.each([
    ['', 'at-end', 409567],
    [`GPT PMBR size mismatch (409599 != 614399) will be corrected by write.\n${moved}`, 'elsewhere', 614367],
    [damaged, 'damaged', 614367],
    [moved + damaged, 'damaged', 614367],
  ])('says %j: the backup is %s', (warnings, backup, endAfter) => {
    const rows = [{ number: 3, start: 2048, count: 81920, type: 'A', uuid: 'B', marks: '{}' }];
    expect(parseTable(disk, output, warnings)).toMatchObject({ backup, endBefore: 409567, endAfter, rows });
  });

  it('says that the main table is damaged', () => {
    expect(parseTable(disk, output, lost)).toMatchObject({ isPrimaryDamaged: true });
  });

  it.each([
    [256, 512, 614400 - 1 - 64],
    [128, 4096, 76800 - 1 - 4],
    [256, 4096, 76800 - 1 - 8],
  ])('has a table of %i entries in blocks of %i bytes', (length, sectorsize, endAfter) => {
    const given = { ...output, sectorsize, 'table-length': String(length) };
    expect(parseTable(disk, given, moved)).toMatchObject({ endAfter, blockBytes: sectorsize });
  });

  it('has an MBR that reaches no further than 32 bits', () => {
    const large = { ...disk, sizeBytes: 2 ** 42 };
    const table = parseTable(large, { label: 'dos', id: '0x1' }, '');
    expect(table).toMatchObject({ type: 'dos', backup: 'none', endAfter: 2 ** 32, rows: [] });
  });

  it('has other tables, and partitions without a number, which are refused', () => {
    expect(() => parseTable(disk, { label: 'sun', id: '' }, '')).toThrow('sun');
    const odd = { ...output, partitions: [{ ...row, node: '/dev/nvme0n1x' }] };
    expect(() => parseTable(disk, odd, '')).toThrow('has no number');
  });

  it('may change one size and nothing else', () => {
    const before = makeTable({ rows: [makeRow(1, 1, 9), makeRow(2, 10, 9)] });
    const marked = before.rows.map((one) => ({ ...one, marks: '{"bootable":true}' }));
    expect(differenceBesideSize(before, makeTable({ rows: marked }), 2)).not.toBeNull();
    const bigger = (number: number) => makeTable({ rows: before.rows.map((one) => (one.number === number ? { ...one, count: 99999 } : one)) });
    expect(differenceBesideSize(before, bigger(2), 2)).toBeNull();
    expect(differenceBesideSize(before, bigger(1), 2)).not.toBeNull();
    expect(differenceBesideSize(before, makeTable({ rows: before.rows, uuid: 'other' }), 2)).not.toBeNull();
    expect(differenceBesideSize(before, makeTable({ rows: before.rows.slice(1) }), 2)).not.toBeNull();
  });
});

describe('LVM', () => {
  const volume = (name: string, change: Record<string, string> = {}): Record<string, string> => ({
    ...{ lv_name: name, lv_attr: '-wi-a-----', segtype: 'linear', ...change },
  });
  const segments = [
    { lv_name: 'root', pvseg_start: '0' },
    { lv_name: 'home-of-all', pvseg_start: '900' },
    { lv_name: 'root', pvseg_start: '80' },
  ];
  const choice = { device: '/dev/sdb1', group: 'vg', volume: null, volumes: [volume('root'), volume('home-of-all')], segments };

  it('grows the LV that lies last, or the one that is named, with or without its group', () => {
    expect(chooseVolume(choice).row?.['lv_name']).toBe('home-of-all');
    expect(chooseVolume({ ...choice, volume: 'root' }).row?.['lv_name']).toBe('root');
    expect(chooseVolume({ ...choice, volume: 'vg/root' }).row?.['lv_name']).toBe('root');
  });

  test.each([
    ['of a thin pool', { segtype: 'thin-pool', lv_attr: 'twi-a-tz--' }, 'not a plain linear one'],
    ['with snapshots', { lv_attr: 'owi-a-s---' }, 'not a plain linear one'],
    ['that is read-only', { lv_attr: '-ri-a-----' }, 'read-only'],
    ['that is not active', { lv_attr: '-wi-------' }, 'not active'],
  ])('leaves a last LV %s as it is, and refuses it by name', (_, change, words) => {
    const volumes = [volume('root'), volume('home-of-all', change)];
    const { row, alone } = chooseVolume({ ...choice, volumes });
    expect(row).toBeNull();
    expect(alone).toContain(words);
    expect(() => chooseVolume({ ...choice, volumes, volume: 'home-of-all' })).toThrow(words);
  });

  it('leaves a last LV that is a part of another as it is, and one with mixed segments', () => {
    expect(chooseVolume({ ...choice, volumes: [volume('root')] }).alone).toContain('hidden in another one');
    const mixed = [volume('home-of-all'), volume('home-of-all', { segtype: 'striped' })];
    expect(chooseVolume({ ...choice, volumes: mixed }).alone).toContain('not a plain linear one (striped');
  });

  it('grows an LV of several linear segments, of each of which lvs has a row', () => {
    const pieces = [volume('home-of-all'), volume('home-of-all'), volume('root')];
    expect(chooseVolume({ ...choice, volumes: pieces })).toMatchObject({ row: { lv_name: 'home-of-all' }, alone: null });
  });

  it('says that there is no LV, or none of that name', () => {
    expect(chooseVolume({ ...choice, segments: [] }).alone).toContain('No LV lies on /dev/sdb1');
    try {
      chooseVolume({ ...choice, volume: 'hom' });
      expect.unreachable();
    } catch (error) {
      expect((error as DiskferryError).code).toBe('usage');
    }
  });

  const sound = { vg_uuid: 'a', vg_shared: '', vg_clustered: '', vg_exported: '', pv_duplicate: '', pv_missing: '', pv_mda_count: '1', vg_permissions: 'writeable' };
  test.each([
    [{ vg_shared: 'shared' }, 'shared'],
    [{ vg_clustered: 'clustered' }, 'shared'],
    [{ vg_exported: 'exported' }, 'exported'],
    [{ pv_duplicate: 'duplicate' }, 'two disks'],
    [{ pv_missing: 'missing' }, 'missing'],
    [{ pv_mda_count: '2' }, 'second metadata area'],
    [{ vg_permissions: 'read-only' }, 'read-only'],
  ])('has a physical volume with %j, which is left alone', (change, words) => {
    const own = { ...sound, ...change };
    expect(obstacleOf(own, [own])).toContain(words);
    expect(obstacleOf(sound, [sound, { ...own, vg_uuid: 'other' }])).toBeNull();
  });

  it('sees the duplicate of another disk of the group', () => {
    expect(obstacleOf(sound, [sound, { ...sound, pv_duplicate: 'duplicate' }])).toContain('two disks');
  });

  it('reports segments of a physical volume under a name of their own', () => {
    const json = '{"report": [{"pvseg": [{"pv_major":"7", "pvseg_start":"0", "lv_name":""}]}]}';
    expect(parseReport('/dev/sdb1', json, 'pvseg')).toEqual([{ pv_major: '7', pvseg_start: '0', lv_name: '' }]);
    expect(() => parseReport('/dev/sdb1', json, 'pv')).toThrow('instead of pv');
  });

  it.each(['no JSON', '{"report": 1}', '{"report": [{"pv":[{"pv_major": 7}]}]}'])('may say %s, which is refused', (json) => {
    try {
      parseReport('/dev/sdb1', json, 'pv');
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'cannot-be-grown', message: expect.stringContaining('/dev/sdb1: LVM says') });
    }
  });

  it('is told the bytes and the one disk', () => {
    expect(lvextendWords('vg/a-b', 4194304, '/dev/sdb1')).toEqual(['--yes', '--size', '+4194304b', '--', 'vg/a-b', '/dev/sdb1']);
  });
});

describe('LUKS', () => {
  it('grows in the sectors of its table', () => {
    expect(sectorSizeOf([])).toBe(512);
    expect(sectorSizeOf(['allow_discards', 'sector_size:4096'])).toBe(4096);
  });

  it.each([
    ['dynamic', false],
    ['1048576', true],
  ])('has the size %s in its header', (size, isFixed) => {
    const json = JSON.stringify({ segments: { 0: { type: 'crypt', offset: '16777216', size } } });
    expect(hasFixedSize('/dev/sdb1', json)).toBe(isFixed);
  });
});

describe('dumpe2fs', () => {
  const header = (change: string, features = 'has_journal resize_inode'): string =>
    `Filesystem features:      ${features}\nFilesystem state:         clean\nBlock count:              1000
Block size:               4096\nBlocks per group:         32768\nInode blocks per group:   256
Reserved GDT blocks:      100\n${change}`;

  it('tells the size, and what a last group that is left away could be', () => {
    const { sizeBytes, unitBytes, slackBytes, defect } = parseExt('/dev/sdb1', header(''));
    expect({ sizeBytes, unitBytes, defect }).toEqual({ sizeBytes: 4096000, unitBytes: 4096, defect: null });
    expect(slackBytes).toBe((50 + 64 + 256 + 100 + 1) * 4096 + 4096);
  });

  it('tells what it needs first, of which a journal is none while it is mounted', () => {
    const open = parseExt('/dev/sdb1', header('', 'has_journal needs_recovery'));
    expect(open.defect).toContain('not unmounted cleanly');
    expect(whileMounted(open).defect).toBeNull();
    const faulty = parseExt('/dev/sdb1', header('FS Error count:           3\n'));
    expect(whileMounted(faulty).defect).toBe('has recorded errors');
  });

  it.each([
    ['has_journal resize_inode', 2 ** 32 * 4096],
    ['has_journal resize_inode 64bit', undefined],
  ])('tells how large it can become, with %s', (features, bytes) => {
    expect(parseExt('/dev/sdb1', header('', features)).limit?.bytes).toBe(bytes);
  });

  it.each([
    ['has_journal bigalloc', '', 'bigalloc'],
    ['has_journal sparse_super2', '', 'sparse_super2'],
    ['has_journal', 'Journal device:\t          0x0801\n', 'external journal'],
    ['journal_dev', '', 'journal of another'],
  ])('tells what resize2fs or the mount would refuse: %s %j', (features, line, words) => {
    expect(parseExt('/dev/sdb1', header(line, features)).obstacle).toContain(words);
  });

  it('is not guessed at', () => {
    expect(() => parseExt('/dev/sdb1', 'nothing')).toThrow('cannot be read');
  });
});

it('knows its capabilities', () => {
  expect(parseCapabilities('CapEff:\t000001ffffffffff\n', 24)).toBe(true);
  expect(parseCapabilities('CapEff:\t000001fffeffffff\n', 24)).toBe(false);
});
