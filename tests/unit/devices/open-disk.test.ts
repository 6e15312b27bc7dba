/** What is said about a disk that cannot be opened, by the errno of open(2). */
import { describe, expect, test } from 'vitest';
import { openErrorCode } from '../../../app/devices/open-disk.ts';

describe('a disk that cannot be opened', () => {
  test.each([
    ['EACCES', 'device-permission-denied'],
    ['EPERM', 'device-permission-denied'],
    ['EROFS', 'device-read-only'],
    ['ENOENT', 'device-missing'],
    ['ENXIO', 'device-missing'],
    ['ENOMEDIUM', 'device-empty'],
    ['EBUSY', 'device-in-use'],
    ['EIO', 'device-open-failed'],
    ['EMFILE', 'device-open-failed'],
  ])('is told by %s as %s', (errno, code) => {
    expect(openErrorCode(errno)).toBe(code);
  });
});
