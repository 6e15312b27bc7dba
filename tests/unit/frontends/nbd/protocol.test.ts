import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { nbdErrorOf } from '../../../../app/frontends/nbd/protocol.ts';

const { errno } = constants;

describe('errors of the system', () => {
  it.each([
    ['EPERM', 1],
    ['EROFS', 1],
    ['EIO', 5],
    ['ENOMEM', 12],
    ['EINVAL', 22],
    ['ENOSPC', 28],
    ['EFBIG', 28],
    ['EDQUOT', 28],
    ['EOVERFLOW', 75],
    ['EOPNOTSUPP', 95],
  ] as const)('%s becomes %i', (name, expected) => {
    expect(nbdErrorOf(-errno[name])).toBe(expected);
  });

  it('that the protocol does not know become EIO', () => {
    for (let number = 1; number < 200; number += 1) {
      expect([1, 5, 12, 22, 28, 75, 95, 108]).toContain(nbdErrorOf(-number));
    }
    expect(nbdErrorOf(-errno.ENODEV)).toBe(5);
  });
});
