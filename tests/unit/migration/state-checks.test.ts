/**
 * Where a job may keep its state: down from the state directory nothing may lie that waits for the job, and
 * for real disks every step of the way must be known and survive a power cut.
 */
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { PlannedDisk, PlanWarning } from '../../../app/contract/plan.ts';
import type { Inventory, MountedVolume } from '../../../app/devices/inventory.ts';
import type { Facts } from '../../../app/migration/facts.ts';
import { journalFileBytes } from '../../../app/migration/job-journal.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { stateDirectoryObjection } from '../../../app/migration/state-checks.ts';
import { block, blockDevice, file, loopOver, mount, partition } from '../devices/made-inventory.ts';
import { destinationDevice, diskFacts, makeFacts, rootFolder, sourceDevice } from './made-facts.ts';
import type { Refusal } from './refusals.ts';
import { expectRefusal, image, inventory, options, otherImage, sourceMount } from './refusals.ts';

/** The state directory lies on a volume like that, among these devices. */
function stateOn(volume: Partial<MountedVolume>, devices: Inventory['devices'] = []): Partial<Facts> {
  const target = '/state';
  const majorMinor = volume.majorMinor ?? '0:60';
  const mounts = [mount({ target, majorMinor, ...volume })];
  return {
    ...inventory({ devices, mounts }),
    stateDirectory: { ...rootFolder, path: '/state/diskferry', device: majorMinor, existing: target },
  };
}

const part = partition('8:17', { diskMajorMinor: '8:16', offsetBytes: mebibyte }, 64 * mebibyte);
const destinationPart = partition('8:33', { diskMajorMinor: '8:32', offsetBytes: mebibyte }, 64 * mebibyte);
const volume = blockDevice('253:0', { slaves: ['8:17'], kind: 'lvm' });
const array = blockDevice('9:0', { slaves: ['8:48', '253:0'], kind: 'raid' });
const onArray = loopOver('7:1', block('9:0'));
const onNetwork = mount({ target: '/net', majorMinor: '0:61', fsType: 'nfs4' });
const onTmpfs = mount({ target: '/tmp', majorMinor: '0:62', fsType: 'tmpfs' });
const loopOverNetwork = loopOver('7:2', file('0:61', 5, '/net/state.img'));
const loopOverTmpfs = loopOver('7:3', file('0:62', 5, '/tmp/state.img'));

function onLoop(loop: typeof onArray, below: MountedVolume): Partial<Facts> {
  const mounts = [mount({ target: '/state', majorMinor: loop.majorMinor, devices: [loop.majorMinor] }), below];
  return {
    ...inventory({ devices: [loop], mounts }),
    stateDirectory: { ...rootFolder, device: loop.majorMinor, existing: '/state' },
  };
}

const refusals: Refusal[] = [
  ['on the source', 'state-directory-unusable', 'the source /dev/sdb', stateOn(sourceMount)],
  ['over the network', 'state-directory-unusable', 'nfs4', stateOn({ fsType: 'nfs4' })],
  ['in a program', 'state-directory-unusable', 'fuse.sshfs', stateOn({ fsType: 'fuse.sshfs' })],
  ['where no files can be', 'state-directory-unusable', 'proc', stateOn({ fsType: 'proc' })],
  ['in memory', 'state-directory-unusable', 'power cut', stateOn({ fsType: 'tmpfs' })],
  ['on an overlay', 'state-directory-unusable', 'overlay', stateOn({ fsType: 'overlay' })],
  ['on what hides its disks', 'state-directory-unusable', 'zfs', stateOn({ fsType: 'zfs' })],
  [
    'on a loop device over a file in the network',
    'state-directory-unusable',
    'nfs4',
    onLoop(loopOverNetwork, onNetwork),
  ],
  [
    'on a loop device over a file in memory',
    'state-directory-unusable',
    'tmpfs',
    onLoop(loopOverTmpfs, onTmpfs),
  ],
  [
    'where the journal has no room',
    'state-directory-full',
    'MiB',
    { stateDirectory: { ...rootFolder, availableBytes: journalFileBytes(2 ** 30) - 1 } },
  ],
];

const images = { source: image, destination: otherImage, destinationFolder: rootFolder };

function planOf(facts: Partial<Facts>): { readonly source: PlannedDisk; readonly warnings: PlanWarning[] } {
  return decidePlan(makeFacts(facts), options);
}

describe('the state directory of a real disk', () => {
  test.each(refusals)('may not be: %s (%s)', (...row) => {
    expectRefusal(row);
  });

  // Who uses a disk so is refused for more reasons than this one.
  test.each<[string, Partial<Facts>, string]>([
    [
      'a partition of the source',
      stateOn({ majorMinor: '8:17', devices: ['8:17'] }, [part]),
      'the source /dev/sdb',
    ],
    [
      'a loop device over a RAID of which a member is an LV on the source',
      stateOn({ majorMinor: '7:1', devices: ['7:1'] }, [part, volume, array, onArray]),
      'the source /dev/sdb',
    ],
    [
      'two devices of which one is the source, as Btrfs may have them',
      stateOn({ majorMinor: '0:44', devices: ['8:0', '8:16'], fsType: 'btrfs' }),
      'the source /dev/sdb',
    ],
    [
      'a partition of the destination',
      stateOn({ majorMinor: '8:33', devices: ['8:33'] }, [destinationPart]),
      'the destination /dev/sdc',
    ],
  ])('may not lie on %s', (_, facts, names) => {
    const { inventory, stateDirectory: state } = makeFacts(facts);
    const disks = { source: diskFacts(sourceDevice), destination: diskFacts(destinationDevice) };
    expect(stateDirectoryObjection({ inventory, state, ...disks })).toMatchObject({
      code: 'state-directory-unusable',
      message: expect.stringContaining(names) as string,
    });
  });

  test('may lie on another partition of the same disk', () => {
    const other = partition('8:18', { diskMajorMinor: '8:16', offsetBytes: 65 * mebibyte }, 64 * mebibyte);
    const facts = stateOn({ majorMinor: '8:18', devices: ['8:18'] }, [part, other]);
    expect(planOf({ ...facts, source: diskFacts(part) }).source.path).toBe(part.path);
  });

  test('may be just as large as the journal', () => {
    const state = { ...rootFolder, availableBytes: journalFileBytes(2 ** 30) };
    expect(planOf({ stateDirectory: state }).source.path).toBe(sourceDevice.path);
  });
});

describe('the state directory of images', () => {
  test.each(['overlay', 'tmpfs', 'zfs'])('may lie on %s, with a warning', (fsType) => {
    const { warnings } = planOf({ ...stateOn({ fsType }), ...images });
    const warning = warnings.find(({ code }) => code === 'state-not-durable');
    expect(warning?.message).toContain(fsType);
  });

  test('may lie on an overlay beside a source that is a loop device', () => {
    const loop = loopOver('7:5', image.storage);
    const state = stateOn({ fsType: 'overlay' }, [loop]);
    expect(planOf({ ...state, ...images, source: diskFacts(loop) }).source.path).toBe(loop.path);
  });

  test('may not lie on it when one of the two is a real disk', () => {
    expect(() => planOf({ ...stateOn({ fsType: 'overlay' }), ...images, source: diskFacts(sourceDevice) })).toThrow(
      'overlay',
    );
  });

  test('may not lie in the network', () => {
    expect(() => planOf({ ...stateOn({ fsType: 'nfs' }), ...images })).toThrow('nfs');
  });

  test('on a disk is no reason to warn', () => {
    expect(planOf(images).warnings.map(({ code }) => code)).not.toContain('state-not-durable');
  });
});
