import { describe, expect, test } from 'vitest';
import { parseDrives, readDriveList } from '../../../app/devices/drive-list.ts';

describe('readDriveList', () => {
  test('says why when the library cannot be loaded, in one line', async () => {
    const answer = await readDriveList(() =>
      Promise.reject(new Error('Could not locate the bindings file. Tried:\n → a\n → b')),
    );
    expect(answer).toEqual({
      drives: [],
      refusal: 'drivelist cannot be loaded: Could not locate the bindings file. Tried:',
    });
  });

  test('says why when it cannot list, or is another library', async () => {
    const failing = { list: () => Promise.reject(new Error('spawn lsblk ENOENT')) };
    expect(await readDriveList(() => Promise.resolve(failing))).toMatchObject({
      refusal: 'drivelist cannot list the disks: spawn lsblk ENOENT',
    });
    expect((await readDriveList(() => Promise.resolve({}))).refusal).toContain('cannot list the disks');
  });

  test('loads the real one', async () => {
    expect((await readDriveList()).refusal).toBeNull();
  });
});

test('a drive has no bus that drivelist does not know, and only mount points that are paths', () => {
  const drive = { device: '/dev/sda', size: null, isReadOnly: false, isRemovable: true };
  const answer = [{ ...drive, busType: 'UNKNOWN', mountpoints: [{ path: '[SWAP]' }, { path: '/srv' }] }];
  expect(parseDrives(answer)).toEqual([
    { path: '/dev/sda', bus: null, isReadOnly: false, isRemovable: true, mountPoints: ['/srv'] },
  ]);
});
