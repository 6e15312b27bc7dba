/**
 * ext4, XFS and Btrfs, mounted, move by `remount` while programs change files on them without a break.
 * Afterwards each file system's own checker finds nothing, and the tree is what the programs left, down to
 * attributes and links.
 */
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { FileSystemType } from './support/file-system.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';
import { Workload } from './support/workload.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const diskBytes = 384 * mebibyte;
/** A file that nobody touches, so that there is something to copy for a while. */
const ballastBytes = 128 * mebibyte;

const cases: readonly { readonly type: FileSystemType; readonly options: string; readonly seed: number }[] = [
  { type: 'ext4', options: 'noatime,commit=1,nodev', seed: 1 },
  { type: 'xfs', options: 'nosuid,logbsize=64k,noquota', seed: 2 },
  { type: 'btrfs', options: 'noexec,compress=zstd:1,commit=1', seed: 3 },
];

describe.skipIf(!isRoot)('migrate of a mounted file system (needs root)', () => {
  it.each(cases)(
    'moves $type while its files change, and loses nothing (seed $seed)',
    async ({ type, options, seed }) => {
      const scratch = scratchOf();
      const source = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
      const destination = await makeLoopDisk(scratch, 'destination', {
        sizeBytes: diskBytes,
        content: 'random',
      });
      await makeFileSystem(type, source.path);
      const target = await scratch.makeDirectory('volume');
      await mount(source.path, target, options);
      makeImage(`${target}/ballast`, ballastBytes, 'random');
      const ballast = readPart(`${target}/ballast`, 0, ballastBytes);
      const mountedBefore = await findMount(target);
      const workload = await Workload.start(scratch, [
        { directory: `${target}/left`, seed: 2 * seed },
        { directory: `${target}/right`, seed: 2 * seed + 1 },
      ]);
      await workload.doSteps(300);

      const migration = Migration.start(
        scratch,
        { source: source.path, destination: destination.path },
        ...['--speed', 'gentle', '--hold'],
        ...['--stop-command', workload.stopCommand, '--start-command', workload.startCommand],
      );
      const device = await migration.pausedDevice();
      expect(await findMount(target)).toEqual({ ...mountedBefore, source: device });
      await workload.doSteps(100);
      const stepsBeforeCopy = workload.steps;
      await migration.ask('resume');
      await migration.event('synchronized');
      expect(workload.steps).toBeGreaterThan(stepsBeforeCopy);
      await workload.doSteps(100);
      await migration.ask('cutover');
      expect(await migration.end()).toMatchObject({ exitCode: 0 });
      expect(await findMount(target)).toEqual({ ...mountedBefore, source: destination.path });
      await workload.doSteps(100);
      await workload.end();

      await unmount(target);
      await checkFileSystem(type, destination.path);
      await mount(destination.path, target, options);
      await workload.expectTrees();
      expectSame(readPart(`${target}/ballast`, 0, ballastBytes), ballast);
      expect(migration.eventsNamed('interrupted').map(({ at }) => at)).toEqual(['start', 'cut-over']);
      expect(migration.surprises).toEqual([]);
    },
  );
});
