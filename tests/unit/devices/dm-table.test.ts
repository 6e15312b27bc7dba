/** Tables of device-mapper: what Diskferry loads, and what it understands of what the kernel shows. */
import { describe, expect, it } from 'vitest';
import type { Mapping, Segment } from '../../../app/devices/dm-table.ts';
import {
  devicesUnder,
  linearTable,
  movedTo,
  sectorCountOf,
  segmentsOf,
  targetsOf,
} from '../../../app/devices/dm-table.ts';

const disk = { device: '8:16', startSector: 2048 };
const other = { device: '259:3', startSector: 0 };

/** Texts as in the kernel's documents of each target. */
const cases: readonly (readonly [string, Mapping, string])[] = [
  ['linear', { type: 'linear', place: disk }, '8:16 2048'],
  ['striped', { type: 'striped', chunkSectors: 128, stripes: [disk, other] }, '2 128 8:16 2048 259:3 0'],
  ['error', { type: 'error' }, ''],
  ['flakey', { type: 'flakey', place: disk, upSeconds: 5, downSeconds: 1, features: [] }, '8:16 2048 5 1 0'],
  [
    'flakey',
    { type: 'flakey', place: disk, upSeconds: 0, downSeconds: 9, features: ['drop_writes'] },
    '8:16 2048 0 9 1 drop_writes',
  ],
  [
    'crypt',
    {
      type: 'crypt',
      cipher: 'aes-xts-plain64',
      key: ':64:logon:cryptsetup:x',
      ivOffset: 0,
      place: disk,
      features: [],
    },
    'aes-xts-plain64 :64:logon:cryptsetup:x 0 8:16 2048',
  ],
  [
    'crypt',
    {
      type: 'crypt',
      cipher: 'aes-xts-plain64',
      key: '00ff',
      ivOffset: 8,
      place: other,
      features: ['allow_discards', 'sector_size:4096'],
    },
    'aes-xts-plain64 00ff 8 259:3 0 2 allow_discards sector_size:4096',
  ],
];

function parametersOf(mapping: Mapping): string {
  return targetsOf([segment(mapping)])[0]?.parameters ?? '';
}

function segment(mapping: Mapping): Segment {
  return { startSector: 0, sectorCount: 100, mapping };
}

describe('a table', () => {
  it.each(cases)('has the text of the %s target', (type, mapping, parameters) => {
    expect(targetsOf([segment(mapping)])).toEqual([{ startSector: 0, sectorCount: 100, type, parameters }]);
  });

  it.each(cases)('is understood again: %s', (_, mapping) => {
    expect(segmentsOf(targetsOf([segment(mapping)]))).toEqual([segment(mapping)]);
  });

  it.each([
    ['crypt', 'aes-xts-plain64 00ff 0 /dev/sdb 32768'],
    ['thin', '253:2 1'],
    ['linear', '8:16'],
    ['linear', '8:16 0 surplus'],
    ['linear', '/dev/sdb 0'],
    ['striped', '2 128 8:16 0'],
    ['flakey', '8:16'],
  ])('keeps unread what it does not understand: %s %s', (type, parameters) => {
    const targets = [{ startSector: 0, sectorCount: 8, type, parameters }];
    expect(segmentsOf(targets)[0]?.mapping).toEqual({ type: 'other', target: type, parameters });
    expect(targetsOf(segmentsOf(targets))).toEqual(targets);
  });

  it.each([
    ['a gap', [0, 101]],
    ['an overlap', [0, 99]],
    ['a late start', [1, 101]],
  ])('is refused with %s', (_, starts) => {
    const segments = starts.map((startSector) => ({ ...segment({ type: 'error' }), startSector }));
    expect(() => targetsOf(segments)).toThrow(/gap or an overlap/);
  });

  it.each(cases)('moves to another device at the same offsets: %s', (_, mapping) => {
    const moved = targetsOf(movedTo([segment(mapping)], { from: '8:16', to: '252:0' }));
    expect(moved[0]?.parameters).toBe(parametersOf(mapping).replace('8:16', '252:0'));
    const back = movedTo(segmentsOf(moved), { from: '252:0', to: '8:16' });
    expect(back).toEqual([segment(mapping)]);
  });

  it('names each device under it once', () => {
    const striped = segment({ type: 'striped', chunkSectors: 8, stripes: [disk, other] });
    expect(devicesUnder([...linearTable(disk, 100), striped])).toEqual(['8:16', '259:3']);
    expect(sectorCountOf([...linearTable(disk, 100), striped])).toBe(200);
  });
});
