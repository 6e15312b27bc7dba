import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { planSchema } from '../../../app/contract/plan.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import type { MountedVolume } from '../../../app/devices/inventory.ts';
import type { Facts } from '../../../app/migration/facts.ts';
import type { PlanOptions } from '../../../app/migration/plan.ts';
import { decidePlan, requirePrivileges } from '../../../app/migration/plan.ts';
import { mount } from '../devices/made-inventory.ts';
import {
  destinationDevice,
  diskFacts,
  host,
  imageFacts,
  makeFacts,
  makeInventory,
  rootFolder,
  sourceDevice,
} from './made-facts.ts';

const ext4 = { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u' };

function plan(values: Partial<Facts> = {}, options: Partial<PlanOptions> = {}) {
  return planSchema.parse(
    decidePlan(makeFacts(values), { frontend: 'auto', mode: 'redirect', allowsNoJournal: true, ...options }),
  );
}

function mounted(...mounts: Partial<MountedVolume>[]): Partial<Facts> {
  const usual = { majorMinor: '8:16', devices: ['8:16'], source: '/dev/sdb' };
  const inventory = makeInventory({
    mounts: mounts.map((values, index) => mount({ id: 7 + index, ...usual, ...values })),
  });
  return { inventory };
}

/** A destination that tells neither a serial number nor a WWN. */
const namelessDevice = { ...destinationDevice, serial: null, wwn: null };
const withNames = makeInventory();
const nameless: Partial<Facts> = {
  inventory: {
    ...withNames,
    devices: withNames.devices.map((device) => (device.path === namelessDevice.path ? namelessDevice : device)),
  },
  destination: diskFacts(namelessDevice),
};

function warningCodes(values: Partial<Facts>): string[] {
  return plan(values).warnings.map(({ code }) => code);
}

describe('the way', () => {
  test('is attach for a source that nobody uses', () => {
    expect(plan()).toMatchObject({
      way: 'attach',
      frontend: 'fuse',
      mode: 'redirect',
      mounts: [],
      needsRoot: true,
    });
  });

  test('keeps a mounted volume on a device of ours where device-mapper can carry it', () => {
    const values = { ...mounted({ target: '/mnt' }), host: { ...host, hasDeviceMapper: true } };
    const { usesDeviceMapper, warnings, cutOver, phases } = plan(values);
    expect(usesDeviceMapper).toBe(true);
    expect(phases[1]?.meaning).toContain('used straight on the destination');
    expect(plan(values, { unmountsAtCutOver: true }).usesDeviceMapper).toBe(false);
    expect(warnings.find(({ code }) => code === 'stops-users')?.message).toContain(
      'unmounted for a moment at the start:',
    );
    expect(warnings.find(({ code }) => code === 'stays-mapped')?.message).toContain(
      '/dev/mapper/diskferry-JOB',
    );
    expect(cutOver.at(-2)).toContain('nothing is unmounted');
    expect(plan(mounted({ target: '/mnt' })).usesDeviceMapper).toBe(false);
    expect(plan({ ...values, destination: imageFacts('/new.img', 2) }).usesDeviceMapper).toBe(false);
  });

  test('gives a device of ours to whoever comes, where device-mapper can carry him', () => {
    const values = { host: { ...host, hasDeviceMapper: true } };
    const { way, usesDeviceMapper, warnings, cutOver } = plan(values);
    expect([way, usesDeviceMapper]).toEqual(['attach', true]);
    expect(warnings.find(({ code }) => code === 'stays-mapped')?.message).toMatch(
      /whoever uses the volume by then goes on with it through \/dev\/mapper\/diskferry-JOB, .*nobody uses it any more/,
    );
    expect(cutOver.at(-2)).toContain('nothing is unmounted');
    expect(warningCodes({})).not.toContain('stays-mapped');
    expect(plan(values, { unmountsAtCutOver: true }).usesDeviceMapper).toBe(false);
    expect(plan(values, { frontend: 'nbd-socket' }).usesDeviceMapper).toBe(false);
    expect(plan({ ...values, destination: imageFacts('/new.img', 2) }).usesDeviceMapper).toBe(false);
  });

  test.each([
    ['a partition table, whose partitions it would not show', { partitionTableType: 'gpt' }],
    ["LVM's label, which it would show twice", { fileSystemType: 'LVM2_member' }],
  ])('gives the virtual device itself where the source has %s', (_what, content) => {
    const source = diskFacts(sourceDevice, { content: { ...noContent, ...content } });
    const { way, usesDeviceMapper } = plan({ source, host: { ...host, hasDeviceMapper: true } });
    expect([way, usesDeviceMapper]).toEqual(['attach', false]);
  });

  test('is remount for a mounted source, with every mount as it can be made again', () => {
    const first = {
      target: '/mnt',
      mountOptions: ['rw', 'noatime'],
      superOptions: ['rw', 'errors=remount-ro'],
    };
    const propagation = { peerGroup: 3, masterGroup: null, isUnbindable: false };
    const own = { propagation, userOptions: ['_netdev', 'x-systemd.requires=a'] };
    const { way, mounts } = plan(
      mounted(
        { ...first, ...own },
        { target: '/other', mountOptions: ['ro', 'noatime'], superOptions: ['rw', 'noatime'] },
      ),
    );
    expect(way).toBe('remount');
    expect(mounts).toEqual([
      {
        target: '/mnt',
        fsType: 'ext4',
        root: '/',
        options: 'rw,noatime,errors=remount-ro',
        readOnlyHere: false,
        userOptions: '_netdev,x-systemd.requires=a',
        propagation,
      },
      {
        target: '/other',
        fsType: 'ext4',
        root: '/',
        options: 'rw,noatime',
        readOnlyHere: true,
        userOptions: '',
        propagation: { peerGroup: null, masterGroup: null, isUnbindable: false },
      },
    ]);
  });

  test('takes Btrfs subvolumes, also below each other', () => {
    const subvolume = (name: string) => ({
      fsType: 'btrfs',
      root: name,
      superOptions: ['rw', 'subvolid=256', `subvol=${name}`],
    });
    const { mounts } = plan(
      mounted(
        { target: '/mnt', ...subvolume('/@') },
        { target: '/mnt/home', parentId: 7, ...subvolume('/@home') },
      ),
    );
    expect(mounts.map(({ target, root }) => `${target} ${root}`)).toEqual(['/mnt /@', '/mnt/home /@home']);
  });

  test('needs no root on a socket between two image files', () => {
    const values = {
      source: imageFacts('/a.img', 1),
      destination: imageFacts('/b.img', 2),
      destinationFolder: rootFolder,
    };
    const { needsRoot } = decidePlan(makeFacts(values), { frontend: 'nbd-socket', mode: 'redirect' });
    expect(needsRoot).toBe(false);
  });

  test('asks for root when the plan needs it', () => {
    expect(() => requirePrivileges(plan(), 1000)).toThrow(expect.objectContaining({ code: 'not-root' }));
    requirePrivileges(plan(), 0);
  });
});

describe('what is copied', () => {
  test('is what the map of free space says, once it was read', () => {
    expect(plan({ allocation: { kind: 'known', allocatedBytes: 123 } }).copy).toMatchObject({
      scope: 'allocated',
      bytes: 123,
      exact: true,
    });
  });

  test('is everything, with the reason, when the map cannot be trusted', () => {
    const { copy, warnings } = plan({ allocation: { kind: 'unknown', reason: 'the log holds changes' } });
    expect(copy).toMatchObject({ scope: 'all', bytes: sourceDevice.sizeBytes, exact: true });
    expect(copy.reason).toContain('the log holds changes');
    expect(warnings.map(({ code }) => code)).toContain('copies-everything');
  });

  test('is estimated by the used bytes of a mounted file system', () => {
    const values = mounted({ target: '/mnt' });
    const devices = makeInventory().devices.map((device) =>
      device.path === '/dev/sdb' ? { ...device, usedBytes: 777 } : device,
    );
    const inventory = { ...makeInventory(), ...values.inventory, devices };
    expect(plan({ inventory }).copy).toMatchObject({ scope: 'allocated', bytes: 777, exact: false });
  });

  test.each([
    ['ext4', 'allocated'],
    ['xfs', 'allocated'],
    ['btrfs', 'allocated'],
    ['f2fs', 'all'],
    ['LVM2_member', 'all'],
  ])('of an unmounted %s is %s', (fileSystemType, scope) => {
    expect(
      plan({ source: diskFacts(sourceDevice, { content: { ...noContent, fileSystemType } }) }).copy.scope,
    ).toBe(scope);
  });

  test('is left open while nobody has looked at the disk', () => {
    expect(plan({ source: diskFacts(sourceDevice, { content: null }) }).copy).toMatchObject({
      scope: 'all',
      exact: false,
    });
  });
});

describe('warnings', () => {
  test.each<[string, Partial<Facts>]>([
    ['recover-after-crash', {}],
    ['source-hidden', {}],
    ['not-found-again', nameless],
    ['stops-users', mounted({ target: '/mnt' })],
    ['destination-not-empty', { destination: diskFacts(destinationDevice, { content: ext4 }) }],
    ['destination-not-empty', { hiddenOnDestination: ['ext4'] }],
    ['physical-block-size', { source: diskFacts(sourceDevice, { physicalBlockBytes: 4096 }) }],
    [
      'gpt-backup-header',
      {
        source: diskFacts(sourceDevice, { content: { ...noContent, partitionTableType: 'gpt' } }),
        destination: diskFacts(destinationDevice, { sizeBytes: 2 ** 31 }),
      },
    ],
    [
      'destination-space',
      {
        destination: imageFacts('/b.img', 2),
        destinationFolder: { ...rootFolder, availableBytes: mebibyte },
      },
    ],
  ])('%s', (code, values) => {
    expect(warningCodes(values)).toContain(code);
  });

  test.each<[string, Partial<Facts>]>([
    ['stops-users', {}],
    ['destination-not-empty', {}],
    ['not-found-again', {}],
    ['not-found-again', { source: imageFacts('/a.img', 1) }],
    ['physical-block-size', {}],
    [
      'gpt-backup-header',
      { source: diskFacts(sourceDevice, { content: { ...noContent, partitionTableType: 'gpt' } }) },
    ],
    [
      'destination-space',
      {
        destination: imageFacts('/b.img', 2),
        destinationFolder: { ...rootFolder, availableBytes: 0, occupiedBytes: 2 ** 30 },
      },
    ],
  ])('not %s without a reason', (code, values) => {
    expect(warningCodes(values)).not.toContain(code);
  });
});

describe('the destination', () => {
  test("that is to be created takes the size asked for and the source's blocks", () => {
    const facts = makeFacts({
      source: diskFacts(sourceDevice, { logicalBlockBytes: 4096, physicalBlockBytes: 4096 }),
      destination: { path: '/n.img', kind: 'missing', reason: 'ENOENT' },
      destinationFolder: rootFolder,
    });
    const options = { frontend: 'auto', mode: 'redirect', allowsNoJournal: true, createBytes: 2 ** 31 };
    expect(decidePlan(facts, options).destination).toMatchObject({
      path: '/n.img',
      kind: 'file',
      toBeCreated: true,
      sizeBytes: 2 ** 31,
      logicalBlockBytes: 4096,
      identity: null,
    });
  });

  test('each phase says which disk is the truth', () => {
    expect(plan().phases.map(({ phase, truth }) => `${phase} ${truth}`)).toEqual([
      'before source',
      'copying both',
      'synchronized destination',
      'committed destination',
    ]);
  });
});
