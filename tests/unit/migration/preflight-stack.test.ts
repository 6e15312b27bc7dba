/** Refusals for what lies on the source by device-mapper, and the plan where nothing stands against it. */
import { describe, expect, test } from 'vitest';
import type { BlockDevice } from '../../../app/devices/block-device.ts';
import type { StackFacts } from '../../../app/devices/stack-facts.ts';
import type { SegmentSummary, UserTable } from '../../../app/devices/stack.ts';
import { deviceText } from '../../../app/cli/device-text.ts';
import { planText } from '../../../app/cli/plan-text.ts';
import { makeDeviceTrees } from '../../../app/migration/device-trees.ts';
import { requireContainer } from '../../../app/migration/job-order.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { blockDevice, mount } from '../devices/made-inventory.ts';
import {
  destinationDevice,
  diskFacts,
  imageFacts,
  makeFacts,
  makeInventory,
  nothingCloser,
  sourceDevice,
} from './made-facts.ts';
import { expectRefusal, options, sourcePart } from './refusals.ts';
import type { Refusal } from './refusals.ts';

function mapped(name: string, uuid: string, values: Partial<BlockDevice> = {}): BlockDevice {
  const path = `/dev/mapper/${name}`;
  return blockDevice('253:0', { path, kind: 'lvm', slaves: ['8:16'], mapper: { name, uuid }, ...values });
}

const lv = mapped('vg-home', `LVM-${'g'.repeat(32)}${'l'.repeat(32)}`);
const vault = mapped('vault', `CRYPT-LUKS2-${'a'.repeat(32)}-vault`, { kind: 'crypt' });
const physicalVolume = {
  groupName: 'vg',
  groupId: 'g',
  isShared: false,
  isDuplicate: false,
  metadataAreaCount: 1,
};
const home = mount({ id: 9, target: '/home', majorMinor: '253:0', devices: ['253:0'] });

function table(...segments: readonly Partial<SegmentSummary>[]): UserTable {
  const usual = { target: 'linear', hasKeyInKeyring: false, isRead: true };
  return { majorMinor: '253:0', segments: segments.map((segment) => ({ ...usual, ...segment })) };
}

function stack(values: Partial<StackFacts>): StackFacts {
  return { tables: [], physicalVolume: null, luksHeader: null, tokenKey: null, ...values };
}

function on(device: BlockDevice, values: Partial<StackFacts> = {}) {
  return { inventory: makeInventory({ devices: [device], mounts: [home] }), stack: stack(values) };
}

const keyInKeyring = table({ target: 'crypt', hasKeyInKeyring: true });
const larger = diskFacts({ ...destinationDevice, sizeBytes: 2 * destinationDevice.sizeBytes });

const refusals: Refusal[] = [
  ['an LV as source', 'source-is-mapped', 'physical volume', { ...on(lv), source: diskFacts(lv) }],
  [
    'an opened container as source',
    'source-is-mapped',
    'unencrypted',
    { ...on(vault), source: diskFacts(vault) },
  ],
  [
    'thin, cache, RAID, snapshot, pvmove',
    'stack-not-supported',
    'vg-home, which lies on it, has a segment of the kind "mirror"',
    on(lv, { tables: [table({ target: 'mirror' })] }),
  ],
  [
    'a part of a thin pool',
    'stack-not-supported',
    'thin pool',
    on(mapped('vg-pool_tdata', `LVM-${'g'.repeat(64)}-tdata`)),
  ],
  ['a foreign device', 'stack-not-supported', 'neither LVM nor cryptsetup', on(mapped('odd', ''))],
  ['multipath', 'stack-not-supported', 'multipath', on(mapped('mpatha', 'mpath-36005'))],
  [
    'dm-integrity',
    'stack-not-supported',
    'dm-integrity',
    on(mapped('vault_dif', `CRYPT-INTEGRITY-${'a'.repeat(32)}-vault_dif`)),
  ],
  [
    'a RAID array',
    'source-has-holders',
    '/dev/md0',
    on(blockDevice('9:0', { path: '/dev/md0', kind: 'raid', slaves: ['8:16'] })),
  ],
  [
    'a bcache device',
    'source-has-holders',
    '/dev/bcache0',
    on(blockDevice('251:0', { path: '/dev/bcache0', slaves: ['8:16'] })),
  ],
  [
    'the disk of a partition that LVM uses',
    'source-has-holders',
    '/dev/mapper/vg-home',
    { inventory: makeInventory({ devices: [sourcePart, { ...lv, slaves: ['8:17'] }] }) },
  ],
  [
    'a shared volume group',
    'stack-not-supported',
    'other machines',
    on(lv, { physicalVolume: { ...physicalVolume, isShared: true } }),
  ],
  [
    'a second copy in sight of LVM',
    'stack-not-supported',
    'another disk',
    on(lv, { physicalVolume: { ...physicalVolume, isDuplicate: true } }),
  ],
  [
    'metadata at the end and a larger destination',
    'stack-not-supported',
    'at its end',
    { ...on(lv, { physicalVolume: { ...physicalVolume, metadataAreaCount: 2 } }), destination: larger },
  ],
  [
    're-encryption',
    'stack-not-supported',
    're-encrypted',
    on(vault, { tables: [keyInKeyring], luksHeader: { version: 2, isReencrypting: true } }),
  ],
  [
    'a detached LUKS header',
    'stack-not-supported',
    'header is not on it',
    on(vault, { tables: [keyInKeyring] }),
  ],
  [
    'a file as the destination',
    'device-not-a-disk',
    'a block device only',
    { ...on(lv), destination: imageFacts('/new.img', 7) },
  ],
  ['a frontend without a block device', 'no-frontend', 'nbd-socket', on(lv), { frontend: 'nbd-socket' }],
];

describe('preflight refuses', () => {
  test.each(refusals)('%s', (...refusal) => {
    expectRefusal(refusal);
  });

  test('an LV with the advice to name what it lies on', () => {
    const facts = makeFacts({ ...on(lv), source: diskFacts(lv) });
    expect(() => decidePlan(facts, options)).toThrow(
      expect.objectContaining({ context: { device: lv.path, below: '/dev/sdb' } }),
    );
  });
});

describe('a plan for a source in use by device-mapper', () => {
  const busy = { ...nothingCloser, exclusiveRefusal: 'EBUSY' };
  const planOf = (facts: ReturnType<typeof on>) =>
    decidePlan(makeFacts({ ...facts, source: diskFacts(sourceDevice, { closer: busy }) }), options);

  test('is live, and names the LVs and where they are mounted', () => {
    const plan = planOf(on(lv, { tables: [table({}, { target: 'striped' })], physicalVolume }));
    expect(plan).toMatchObject({ way: 'live', mounts: [], copy: { scope: 'all' } });
    expect(plan.mappedUsers).toEqual([
      { name: 'vg-home', majorMinor: '253:0', kind: 'lvm', mountPoints: ['/home'], needsPassphrase: false },
    ]);
    expect(planText(plan, { columns: 200 })).toContain('vg-home (logical volume) on /home');
  });

  test.each([
    ['says that a passphrase will be asked for', keyInKeyring, true],
    ['asks for none when the key is in the table', table({ target: 'crypt' }), false],
  ])('%s', (_, userTable, needsPassphrase) => {
    const plan = planOf(
      on(vault, { tables: [userTable], luksHeader: { version: 2, isReencrypting: false } }),
    );
    expect(plan.mappedUsers[0]).toMatchObject({ kind: 'luks', needsPassphrase });
    expect(planText(plan, { columns: 200 }).includes('passphrase')).toBe(needsPassphrase);
  });
});

describe('a LUKS2 container with a token', () => {
  test.each([
    ['asks for no passphrase where its key is in the keyring', keyInKeyring, { needsPassphrase: false, tokenKey: 'home' }],
    ['needs neither when the key is in the table', table({ target: 'crypt' }), { needsPassphrase: false }],
  ])('%s', (_, userTable, expected) => {
    const luksHeader = { version: 2, isReencrypting: false } as const;
    const busy = diskFacts(sourceDevice, { closer: { ...nothingCloser, exclusiveRefusal: 'EBUSY' } });
    const facts = on(vault, { tables: [userTable], luksHeader, tokenKey: 'home' });
    const plan = decidePlan(makeFacts({ ...facts, source: busy }), options);
    const { needsPassphrase, tokenKey } = plan.mappedUsers[0] ?? {};
    expect({ needsPassphrase, tokenKey }).toEqual(expected);
    const isByToken = 'tokenKey' in expected;
    expect(planText(plan, { columns: 200 }).includes('its token opens it with the key "home"')).toBe(isByToken);
    const requireIt = (): void => requireContainer(plan, '--key-file');
    if (isByToken) expect(requireIt).not.toThrow();
    else expect(requireIt).toThrow(/no passphrase is needed/);
  });
});

describe('devices', () => {
  const root = sourceDevice.path;
  const treeOf = (device: BlockDevice, tables: readonly UserTable[]) => {
    const { inventory } = on(device);
    return makeDeviceTrees({
      inventory,
      systemPaths: ['/'],
      tables: new Map([['8:16', tables]]),
      jobs: new Map(), health: new Map(),
    }).find(({ path }) => path === root);
  };

  test('shows the stack and the way that would be used', () => {
    const tree = treeOf(lv, [table({})]);
    expect(tree).toMatchObject({
      way: { way: 'live' },
      children: [{ path: lv.path, mountPoints: ['/home'], way: null }],
    });
    expect(tree === undefined ? '' : deviceText(tree)).toMatch(
      /would move by live: .*\n.*vg-home.*on \/home\n.*cannot be moved/,
    );
  });

  test('goes by the tables where they are known', () => {
    const tree = treeOf(lv, [table({ target: 'raid' })]);
    expect(tree).toMatchObject({ way: null, asSource: { reason: { code: 'stack-not-supported' } } });
  });
});
