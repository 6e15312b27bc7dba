/**
 * A volume is mounted in more than one way: at two places, by subvolumes, read-only, with options of each
 * place. The move puts all of it back as it was, on the virtual device and then on the destination.
 */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
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
});
