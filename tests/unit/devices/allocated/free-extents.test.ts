import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FreeExtents } from '../../../../app/devices/allocated/free-extents.ts';

const sizeBytes = 64 * 4096;

function finish(extents: readonly (readonly [number, number])[]) {
  const free = new FreeExtents(sizeBytes);
  for (const [offsetBytes, lengthBytes] of extents) free.add(offsetBytes, lengthBytes);
  return free.finish();
}

describe('free extents', () => {
  test('count only whole blocks', () => {
    expect(finish([[1024, 8192]]).extents).toEqual([{ offsetBytes: 4096, lengthBytes: 4096 }]);
    expect(finish([[1, 4095]]).extents).toEqual([]);
  });

  test('are joined before they are cut, in whatever order they come', () => {
    const quarters = [3, 1, 0, 2].map((index) => [index * 1024, 1024] as const);
    expect(finish(quarters).extents).toEqual([{ offsetBytes: 0, lengthBytes: 4096 }]);
  });

  test.each([
    ['beyond the end', [[sizeBytes - 4096, 8192]]],
    ['before the start', [[-4096, 4096]]],
    ['at no safe number', [[NaN, 4096]]],
    [
      'twice',
      [
        [0, 8192],
        [4096, 4096],
      ],
    ],
  ] as const)('make the map worthless when one lies %s', (_, extents) => {
    expect(() => finish(extents)).toThrow(/free/);
  });

  test('never include a byte that was not added (property)', () => {
    const bits = fc.array(fc.boolean(), { minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(bits, fc.constantFrom(512, 1024, 4096), (isFree, unitBytes) => {
        const added = isFree.flatMap((bit, index) => (bit ? [[index * unitBytes, unitBytes] as const] : []));
        const { extents, freeBytes } = finish(added);
        const blocksPerUnit = 4096 / unitBytes;
        const expected = Array.from({ length: isFree.length / blocksPerUnit }, (_, block) =>
          isFree.slice(block * blocksPerUnit, (block + 1) * blocksPerUnit).every(Boolean),
        );
        const actual = expected.map((_, block) =>
          extents.some(
            (extent) =>
              extent.offsetBytes <= block * 4096 && block * 4096 < extent.offsetBytes + extent.lengthBytes,
          ),
        );
        expect(actual).toEqual(expected);
        expect(freeBytes).toBe(expected.filter(Boolean).length * 4096);
      }),
    );
  });
});
