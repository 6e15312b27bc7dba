/** What `lvmconfig --type full` prints, and what is read from it. */
import { expect, it } from 'vitest';
import { parseSettings } from '../../../app/substitution/volume-group.ts';

it.each([
  [
    'locking_dir="/run/lock/lvm"\nuse_devicesfile=0\n',
    { lockFolder: '/run/lock/lvm', usesDevicesFile: false },
  ],
  [
    'locking_dir="/var/lock/lvm"\nuse_devicesfile=1\n',
    { lockFolder: '/var/lock/lvm', usesDevicesFile: true },
  ],
  ['', { lockFolder: '/run/lock/lvm', usesDevicesFile: false }],
])('reads %j', (text, settings) => {
  expect(parseSettings(text)).toEqual(settings);
});
