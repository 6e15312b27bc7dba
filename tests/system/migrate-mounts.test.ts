/**
 * A volume is mounted in more than one way: at two places, by subvolumes, read-only, with options of each
 * place. The move puts all of it back as it was, on the virtual device and then on the destination.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readInventory } from '../../app/devices/inventory.ts';
import type { FileSystemType, MountState } from './support/file-system.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

interface Place {
  readonly name: string;
  readonly options: string;
  /** What `mount -o remount,bind,…` then sets at this place alone. */
  readonly placeOptions?: string;
}

interface Case {
  readonly title: string;
  readonly type: FileSystemType;
  readonly subvolumes?: readonly string[];
  readonly places: readonly Place[];
}

const cases: readonly Case[] = [
  {
    title: 'at two places with different options',
    type: 'ext4',
    places: [
      { name: 'first', options: 'noatime,nodev' },
      { name: 'second place', options: 'relatime,noexec' },
    ],
  },
  {
    title: 'writable at one place and read-only at another',
    type: 'ext4',
    places: [
      { name: 'first', options: 'rw' },
      { name: 'second', options: 'rw', placeOptions: 'ro' },
    ],
  },
  {
    title: 'read-only at the first place and writable at another',
    type: 'xfs',
    places: [
      { name: 'first', options: 'rw', placeOptions: 'ro' },
      { name: 'second', options: 'rw' },
    ],
  },
  { title: 'that are read-only', type: 'ext4', places: [{ name: 'first', options: 'ro' }] },
  {
    title: 'of subvolumes',
    type: 'btrfs',
    subvolumes: ['home', 'data'],
    places: [
      { name: 'top', options: 'subvolid=5' },
      { name: 'home', options: 'subvol=home,noatime' },
      { name: 'data', options: 'subvol=/data,ro' },
    ],
  },
  {
    title: 'with options that only ext4 knows',
    type: 'ext4',
    places: [
      { name: 'first', options: 'errors=remount-ro,data=journal,stripe=16,lazytime,discard,nodelalloc' },
    ],
  },
  {
    title: 'with options that only XFS knows',
    type: 'xfs',
    places: [{ name: 'first', options: 'allocsize=1m,largeio,swalloc,wsync' }],
  },
  {
    title: 'with options that only Btrfs knows',
    type: 'btrfs',
    places: [
      { name: 'first', options: 'compress-force=zstd:3,ssd_spread,autodefrag,thread_pool=3,flushoncommit' },
    ],
  },
];

/**
 * What mount(8) keeps for itself, and the groups of propagation, numbered by the order in which they come.
 */
async function booksOf(targets: readonly string[]): Promise<unknown[]> {
  const { mounts } = await readInventory({ probes: false, votes: false });
  const groups: number[] = [];
  const numberOf = (group: number | null): number | null => {
    if (group === null) return null;
    if (!groups.includes(group)) groups.push(group);
    return groups.indexOf(group);
  };
  return targets.map((target) => {
    const { propagation, userOptions, mountOptions } =
      mounts.filter((mount) => mount.target === target).at(-1) ?? {};
    const [peers, masters] = [propagation?.peerGroup ?? null, propagation?.masterGroup ?? null].map(numberOf);
    const count = mounts.filter((mount) => mount.target === target).length;
    return { count, peers, masters, isUnbindable: propagation?.isUnbindable, userOptions, mountOptions };
  });
}

/** Each step makes or changes a mount: what mount(8) is given, with `device` and the places to fill in. */
interface BooksCase {
  readonly title: string;
  readonly isParentShared?: boolean;
  readonly steps: readonly string[];
  /** Where the kernel makes a mount along with one of these. */
  readonly alsoAt?: string;
}

const booksCases: readonly BooksCase[] = [
  {
    title: 'with options that only mount(8) keeps',
    steps: ['-o noatime,_netdev,x-systemd.device-timeout=5,x-note="a,b" DEVICE PLACE/first'],
  },
  { title: 'of a user who may run programs there', steps: ['-o user=nobody,exec DEVICE PLACE/first'] },
  {
    title: 'that are private where others would be shared',
    isParentShared: true,
    steps: ['--make-private DEVICE PLACE/first'],
  },
  { title: 'that are shared where others would be private', steps: ['--make-shared DEVICE PLACE/first'] },
  { title: 'that are unbindable', steps: ['--make-unbindable DEVICE PLACE/first'] },
  {
    title: 'that are peers with options of their own',
    steps: [
      '--make-shared -o nodev DEVICE PLACE/first',
      '-o bind,noexec,ro,x-note=b PLACE/first PLACE/second',
    ],
  },
  {
    title: 'that are a master and slaves, one of which is shared',
    steps: [
      '--make-shared DEVICE PLACE/first',
      '--bind PLACE/first PLACE/second',
      '--make-slave PLACE/second',
      '--bind PLACE/first PLACE/third',
      '--make-slave PLACE/third',
      '--make-shared PLACE/third',
    ],
  },
  {
    title: 'that are independent of each other',
    isParentShared: true,
    steps: ['--make-private DEVICE PLACE/first', 'DEVICE PLACE/second'],
  },
  {
    title: 'that appear at a second place by themselves, once each',
    steps: [
      '-t tmpfs --make-shared none PLACE/outer',
      '--bind PLACE/outer PLACE/mirror',
      'DEVICE PLACE/outer/inner',
    ],
    alsoAt: 'mirror/inner',
  },
];

async function statesOf(scratch: Scratch, places: readonly Place[]): Promise<(MountState | undefined)[]> {
  return Promise.all(places.map(({ name }) => findMount(scratch.path(name))));
}

describe.skipIf(!isRoot)('migrate of a volume that is mounted (needs root)', () => {
  it.each(cases.map((it) => [it.title, it] as const))(
    'keeps mounts %s',
    async (_, { type, places, subvolumes = [] }) => {
      const scratch = scratchOf();
      const sizeBytes = 384 * mebibyte;
      const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
      const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
      await makeFileSystem(type, source.path);
      const top = await scratch.makeDirectory('volume');
      await mount(source.path, top);
      for (const name of subvolumes)
        await runCommand('btrfs', ['subvolume', 'create', `${top}/${name}`], 'making a subvolume');
      writeFileSync(`${top}/file`, 'content');
      await unmount(top);
      for (const { name, options, placeOptions } of places) {
        await mount(source.path, await scratch.makeDirectory(name), options);
        if (placeOptions === undefined) continue;
        await runCommand(
          'mount',
          ['-o', `remount,bind,${placeOptions}`, scratch.path(name)],
          'changing a mount',
        );
      }
      const before = await statesOf(scratch, places);
      const movedTo = (device: string): unknown =>
        before.map((state) => ({ ...state, source: state?.source.replace(source.path, device) }));

      const migration = Migration.start(
        scratch,
        { source: source.path, destination: destination.path },
        '--hold',
      );
      const device = await migration.device();
      expect(await statesOf(scratch, places)).toEqual(movedTo(device));
      await migration.event('synchronized');
      await migration.ask('cutover');
      expect(await migration.end()).toMatchObject({ exitCode: 0 });
      expect(await statesOf(scratch, places)).toEqual(movedTo(destination.path));
      for (const { name } of places) await unmount(scratch.path(name));
      await checkFileSystem(type, destination.path);
    },
  );

  it.each(booksCases.map((it) => [it.title, it] as const))(
    'keeps mounts %s',
    async (_, { steps, isParentShared = false, alsoAt }) => {
      const scratch = scratchOf();
      const sizeBytes = 64 * mebibyte;
      const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
      const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
      await makeFileSystem('ext4', source.path);
      const propagation = isParentShared ? '--make-shared' : '--make-private';
      await runCommand('mount', [propagation, scratch.directory], 'setting the propagation of the scratch');
      const targets: string[] = [];
      for (const step of steps) {
        const words = step.replace('DEVICE', source.path).replaceAll('PLACE', scratch.directory).split(' ');
        const target = words.at(-1) ?? '';
        if (!targets.includes(target))
          targets.push(await scratch.makeDirectory(relative(scratch.directory, target)));
        await runCommand('mount', words, 'mounting');
      }
      const places = alsoAt === undefined ? targets : [...targets, scratch.path(alsoAt)];
      const before = await booksOf(places);
      expect(before).not.toContainEqual(expect.objectContaining({ count: 0 }));

      const disks = { source: source.path, destination: destination.path };
      const migration = Migration.start(scratch, disks, '--hold');
      await migration.device();
      expect(await booksOf(places)).toEqual(before);
      await migration.event('synchronized');
      await migration.ask('cutover');
      expect(await migration.end()).toMatchObject({ exitCode: 0 });
      expect(await booksOf(places)).toEqual(before);
      for (const target of targets.reverse()) await unmount(target);
    },
  );
});
