import { describe, expect, test } from 'vitest';
import { parseDomainMap } from '../../../../app/devices/allocated/domain-map.ts';
import { FreeExtents } from '../../../../app/devices/allocated/free-extents.ts';
import { isLogClean } from '../../../../app/devices/allocated/ntfs.ts';

const head = '# Domain logfile created by partclone\n# current_pos  current_status\n0x00010000     ?\n';

function parse(ranges: string) {
  const free = new FreeExtents(65536);
  parseDomainMap(head + ranges, free);
  return free.finish().extents;
}

describe('parseDomainMap', () => {
  test('takes the free ranges', () => {
    expect(parse('0x00000000  0x00002000  +\n0x00002000  0x0000E000  ?\n')).toEqual([
      { offsetBytes: 0x2000, lengthBytes: 0xe000 },
    ]);
  });

  test.each([
    ['leaves a gap', '0x00000000  0x00002000  +\n0x00003000  0x00001000  ?\n'],
    ['has another status', '0x00000000  0x00002000  -\n'],
    ['is cut off', '0x00000000  0x00002000  +\n0x00002000  0x000\n'],
    ['goes beyond the disk', '0x00000000  0x00020000  ?\n'],
  ])('refuses a map that %s', (_, ranges) => {
    expect(() => parse(ranges)).toThrow();
  });
});

describe('isLogClean (NTFS)', () => {
  function page(values: { sequence: bigint; clients: number; flags: number }): Buffer {
    const bytes = Buffer.alloc(4096);
    bytes.write('RSTR', 0, 'latin1');
    bytes.writeUInt16LE(0x30, 24);
    bytes.writeBigInt64LE(values.sequence, 0x30);
    bytes.writeUInt16LE(values.clients, 0x30 + 12);
    bytes.writeUInt16LE(values.flags, 0x30 + 14);
    return bytes;
  }
  const clean = { clients: 0xffff, flags: 0 };
  const dirty = { clients: 0, flags: 0 };

  test.each([
    ['an empty log', Buffer.alloc(8192, 0xff), true],
    ['no log', Buffer.alloc(0), false],
    ['garbage', Buffer.alloc(8192, 0x55), false],
    [
      'a log without clients',
      Buffer.concat([page({ sequence: 2n, ...clean }), page({ sequence: 1n, ...dirty })]),
      true,
    ],
    [
      'a younger second page in use',
      Buffer.concat([page({ sequence: 1n, ...clean }), page({ sequence: 2n, ...dirty })]),
      false,
    ],
    [
      'a client, flagged clean',
      Buffer.concat([page({ sequence: 2n, clients: 0, flags: 2 }), Buffer.alloc(4096)]),
      true,
    ],
  ])('%s: %#', (_, log, expected) => {
    expect(isLogClean(log)).toBe(expected);
  });
});
