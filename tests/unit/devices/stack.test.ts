/**
 * Verdicts about devices that device-mapper has put on a disk, from uuids and tables as LVM and cryptsetup
 * make them.
 */
import { describe, expect, it } from 'vitest';
import { segmentsOf } from '../../../app/devices/dm-table.ts';
import type { BlockDevice } from '../../../app/devices/block-device.ts';
import { mountPointsAbove, ownerOf, summarise, whyNotMovable } from '../../../app/devices/stack.ts';
import { blockDevice, inventoryOf, mount } from './made-inventory.ts';

const disk = '8:16';
const group = 'atqHChJnBX2RB0BAZmDUs5e2WgEvL1nB';
const luksId = '4465f4cf8a48478483a423b0b57c6f88';

/** `lv` is any letter: it stands for the LV's id. */
function lvmUuid(lv: string, layer = '', groupId = group): string {
  return `LVM-${groupId}${lv.repeat(32)}${layer === '' ? '' : `-${layer}`}`;
}

function mapped(
  majorMinor: string,
  name: string,
  uuid: string,
  slaves: readonly string[] = [disk],
): BlockDevice {
  return blockDevice(majorMinor, { path: `/dev/mapper/${name}`, mapper: { name, uuid }, slaves });
}

function tableOf(type: string, parameters: string) {
  return {
    majorMinor: '253:0',
    segments: summarise(segmentsOf([{ startSector: 0, sectorCount: 8, type, parameters }])),
  };
}

describe('ownerOf', () => {
  it.each([
    [lvmUuid('a'), { owner: 'lvm', groupId: group, layer: null }],
    [lvmUuid('a', 'tdata'), { owner: 'lvm', groupId: group, layer: 'tdata' }],
    [`CRYPT-LUKS1-${luksId}-vault`, { owner: 'luks', version: 1 }],
    [`CRYPT-LUKS2-${luksId}-vault`, { owner: 'luks', version: 2 }],
    ['DISKFERRY-home', { owner: 'own', isPrivate: false }],
    ['DISKFERRY-home-source', { owner: 'own', isPrivate: true }],
    ['DISKFERRY-home-direct', { owner: 'own', isPrivate: true }],
    ['mpath-3600508b400105e210000900000490000', { owner: 'other', what: 'a multipath device' }],
    [`CRYPT-INTEGRITY-${luksId}-vault_dif`, { owner: 'other', what: 'dm-integrity' }],
    ['CRYPT-PLAIN-vault', { owner: 'other', what: 'an encrypted device without a LUKS header' }],
    ['', { owner: 'other', what: 'a device-mapper device that neither LVM nor cryptsetup made' }],
  ])('knows %s', (uuid, owner) => {
    expect(ownerOf(uuid)).toEqual(owner);
  });
});

describe('a device whose table can be moved', () => {
  it.each([
    ['an LV', lvmUuid('a'), 'linear', '8:16 2048'],
    ['a striped LV', lvmUuid('a'), 'striped', '2 128 8:16 2048 8:32 2048'],
    [
      'an opened LUKS container',
      `CRYPT-LUKS2-${luksId}-vault`,
      'crypt',
      'aes-xts-plain64 :64:logon:cryptsetup:x 0 8:16 32768',
    ],
    ['a device of ours', 'DISKFERRY-home', 'linear', '8:16 0'],
  ])('is %s', (_, uuid, target, parameters) => {
    const user = mapped('253:0', 'user', uuid);
    const inventory = inventoryOf({ devices: [blockDevice(disk), user] });
    expect(whyNotMovable(inventory, user, tableOf(target, parameters))).toBeNull();
    expect(whyNotMovable(inventory, user, null)).toBeNull();
  });

  it('is an LV that is itself a physical volume of another group', () => {
    const user = mapped('253:0', 'vg-pv', lvmUuid('a'));
    const inner = mapped('253:1', 'inner-lv', lvmUuid('b', '', 'q'.repeat(32)), ['253:0']);
    expect(whyNotMovable(inventoryOf({ devices: [user, inner] }), user, null)).toBeNull();
  });
});

describe('a device whose table cannot be moved', () => {
  it.each([
    ['tdata', 'is a part of a thin pool'],
    ['tmeta', 'is a part of a thin pool'],
    ['cdata', 'is a part of a cache'],
    ['cvol', 'is a part of a cache'],
    ['cow', 'is a part of a snapshot'],
    ['real', 'is a part of an LV with snapshots'],
    ['new', 'is a part of an LV of a kind not known here (new)'],
  ])('is a hidden layer of an LV: %s', (layer, why) => {
    const user = mapped('253:0', 'vg-part', lvmUuid('a', layer));
    expect(whyNotMovable(inventoryOf({ devices: [user] }), user, null)).toBe(why);
  });

  it('is a part of an LV that is known by the device above it: RAID, or pvmove', () => {
    const image = mapped('253:0', 'vg-lv_rimage_0', lvmUuid('a'));
    const raid = mapped('253:1', 'vg-lv', lvmUuid('b'), ['253:0']);
    const why = whyNotMovable(inventoryOf({ devices: [image, raid] }), image, null);
    expect(why).toBe('is a part of /dev/mapper/vg-lv, which is neither linear nor striped');
  });

  it.each([
    ['mirror', 'core 1 1024 2 8:16 0 8:32 0', /mirror, or an LV that pvmove is moving/],
    ['raid', 'raid1 3 0 region_size 4096 2 8:16 0 8:32 0', /a RAID LV/],
    ['thin-pool', '8:16 8:32 128 0', /a thin pool/],
    ['cache', '8:16 8:32 8:48 128 0', /a cached LV/],
    ['snapshot', '8:16 8:32 P 8', /a snapshot/],
    ['snapshot-origin', '8:16', /an LV with snapshots/],
    ['error', '', /^has a segment of the kind "error"$/],
    ['linear', '8:16', /"linear"/],
  ])('is an LV with a segment of the target %s', (target, parameters, why) => {
    const user = mapped('253:0', 'vg-lv', lvmUuid('a'));
    expect(whyNotMovable(inventoryOf({ devices: [user] }), user, tableOf(target, parameters))).toMatch(why);
  });

  it.each([
    ['mpath-36005', 'is a multipath device'],
    [`CRYPT-INTEGRITY-${luksId}-vault_dif`, 'is dm-integrity'],
    ['DISKFERRY-home-source', 'belongs to a running migration'],
    ['something', 'is a device-mapper device that neither LVM nor cryptsetup made'],
  ])('is of another owner: %s', (uuid, why) => {
    const user = mapped('253:0', 'user', uuid);
    expect(whyNotMovable(inventoryOf({ devices: [user] }), user, null)).toBe(why);
  });

  it.each([
    [blockDevice('9:0', { kind: 'raid', slaves: [disk] }), 'is a RAID array'],
    [blockDevice('252:0', { kernelName: 'bcache0', slaves: [disk] }), 'is a bcache device'],
  ])('is no device-mapper device', (user, why) => {
    expect(whyNotMovable(inventoryOf({ devices: [user] }), user, null)).toBe(why);
  });
});

describe('a summary', () => {
  it('tells where the key is, and has no key', () => {
    const summary = (key: string) =>
      summarise(
        segmentsOf([
          { startSector: 0, sectorCount: 8, type: 'crypt', parameters: `aes-xts-plain64 ${key} 0 8:16 0` },
        ]),
      );
    expect(summary(':64:logon:cryptsetup:x')).toEqual([
      { target: 'crypt', hasKeyInKeyring: true, isRead: true },
    ]);
    expect(summary('00ff')).toEqual([{ target: 'crypt', hasKeyInKeyring: false, isRead: true }]);
  });
});

it('mount points are found over any number of layers', () => {
  const vault = mapped('253:0', 'vault', `CRYPT-LUKS2-${luksId}-vault`);
  const home = mapped('253:1', 'vg-home', lvmUuid('a'), ['253:0']);
  const mounts = [mount({ target: '/home', devices: ['253:1'] }), mount({ target: '/', devices: ['8:0'] })];
  expect(mountPointsAbove(inventoryOf({ devices: [blockDevice(disk), vault, home], mounts }), disk)).toEqual([
    '/home',
  ]);
});
