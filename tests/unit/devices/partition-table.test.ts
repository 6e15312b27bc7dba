import { describe, expect, test } from 'vitest';
import { matchParts, parsePartx } from '../../../app/devices/partition-table.ts';

const table = parsePartx('2048 4096 0x83\n8192 20480 0x5\n10240 18432 0x83\n');
const first = { offsetBytes: 2048 * 512, sizeBytes: 4096 * 512 };
const logical = { offsetBytes: 10240 * 512, sizeBytes: 18432 * 512 };
const extended = { offsetBytes: 8192 * 512, sizeBytes: 1024 };

describe('matchParts', () => {
  test('takes the nodes that the table lists, without the extended partition', () => {
    expect(matchParts(table, [first, extended, logical])).toEqual([first, logical]);
  });

  test('takes the nodes in any order', () => {
    expect(matchParts(table, [logical, first])).toEqual([logical, first]);
  });

  test('takes the table alone for an image file', () => {
    expect(matchParts(table, null)).toEqual([first, logical].map((place) => ({ ...place, node: null })));
  });

  test.each([
    ['lacks one', [first]],
    ['has none', []],
    ['has one more', [first, logical, { offsetBytes: 0, sizeBytes: 512 }]],
    ['starts elsewhere', [{ ...first, offsetBytes: 512 }, logical]],
    ['ends elsewhere', [{ ...first, sizeBytes: 512 }, logical]],
  ])('refuses a kernel that %s', (_, nodes) => {
    expect(() => matchParts(table, nodes)).toThrow('not those of the partition table');
  });
});

describe('parsePartx', () => {
  test('reads nothing from an empty table', () => {
    expect(parsePartx('')).toEqual([]);
  });

  test('refuses what is not a number', () => {
    expect(() => parsePartx('start sectors 0x83\n')).toThrow('unexpected line');
  });
});
