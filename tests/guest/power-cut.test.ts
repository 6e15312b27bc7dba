/**
 * Power is cut while a volume moves, at any moment of a whole job that the kernel's dm-log-writes has kept: the job goes
 * on from what was durable then, and what programs were told is durable (fsync) is on the disk that is the truth, which
 * is the only one that anything recognises. A few cuts of ext4; DISKFERRY_SOAK=1 makes it a hundred, and as many of XFS.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { probeContent } from '../../app/devices/content.ts';
import { Random } from '../sim/random.ts';
import type { FileSystemType } from '../system/support/file-system.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import { makeImage } from '../system/support/loop-disk.ts';
import { Migration, runCli } from '../system/support/migration.ts';
import { useScratch } from '../system/support/scratch.ts';
import { isSoak, usuallyOrInSoak } from '../system/support/soak.ts';
import { LoggedWorld } from './logged-world.ts';
import type { WriteLog } from './write-log.ts';

const scratchOf = useScratch();
const cuts = usuallyOrInSoak(2, 100);
const filesWhileCopying = 12;
const filesAfterwards = 4;
/** XFS takes no smaller disk. */
const scenes = [
  { type: 'ext4', diskBytes: 48 * mebibyte },
  ...(isSoak ? [{ type: 'xfs' as const, diskBytes: 320 * mebibyte }] : []),
] satisfies { type: FileSystemType; diskBytes: number }[];
const msMax = 120_000 + cuts * 120_000;

/** Known by its name. */
function contentOf(name: string): string {
  return `${name}, durable\n`.repeat(700);
}

async function writeDurably(directory: string, name: string): Promise<void> {
  const file = await open(join(directory, name), 'w');
  await file.writeFile(contentOf(name));
  await file.sync();
  await file.close();
  const folder = await open(directory, 'r');
  await folder.sync();
  await folder.close();
}

/** From before the job starts until it has ended. Everything that is durable is marked. */
async function moveUnderLoad(world: LoggedWorld, type: FileSystemType): Promise<WriteLog> {
  const { source, destination } = world;
  const target = await scratchOf().makeDirectory('volume');
  await makeFileSystem(type, source.path);
  await mount(source.path, target);
  makeImage(join(target, 'ballast'), 12 * mebibyte, 'random');
  await writeDurably(target, 'before');
  await unmount(target);
  await world.mark('before');
  const disks = { source: source.path, destination: destination.path };
  const how = ['--frontend', 'fuse', '--unmount-at-cutover', '--speed', 'gentle', '--hold'];
  const migration = Migration.start(scratchOf(), disks, ...how);
  await mount(await migration.device(), target);
  await world.mark('serving');
  const writeFiles = async (first: number, count: number): Promise<void> => {
    for (let number = first; number < first + count; number += 1) {
      await writeDurably(target, `file-${number}`);
      await world.mark(`file-${number}`);
    }
  };
  await writeFiles(0, filesWhileCopying);
  await migration.event('synchronized');
  await writeFiles(filesWhileCopying, filesAfterwards);
  await unmount(target);
  await migration.ask('cutover');
  expect(await migration.end()).toMatchObject({ exitCode: 0 });
  return world.endLog();
}

/** The disk on which the volume is: the only one that shows it. */
async function truthOf({ source, destination }: LoggedWorld, type: FileSystemType): Promise<string> {
  const found = await Promise.all(
    [source, destination].map(async ({ path }) => ({ path, content: await probeContent(path) })),
  );
  const shown = found.filter(({ content }) => content.fileSystemType === type).map(({ path }) => path);
  expect(shown).toHaveLength(1);
  return shown[0] ?? '';
}

/** Returns what became of the job. */
async function recoverFrom(world: LoggedWorld, type: FileSystemType): Promise<'finished' | 'no job'> {
  const { stdout } = await runCli('status', '--json', '--state-dir', scratchOf().stateDirectory);
  if (stdout.trim() === '') return 'no job';
  const migration = Migration.recover(scratchOf());
  // What had begun to commit goes on to its end by itself.
  const isHeld = await migration.event('synchronized').then(
    () => true,
    () => false,
  );
  if (isHeld) await migration.ask('cutover');
  expect(await migration.end()).toMatchObject({ exitCode: 0 });
  expect(await truthOf(world, type)).toBe(world.destination.path);
  return 'finished';
}

async function expectDurable(disk: string, type: FileSystemType, marks: readonly string[]): Promise<void> {
  const target = await scratchOf().makeDirectory('looked-at');
  await mount(disk, target);
  const names = readdirSync(target);
  const durable = marks.filter((mark) => mark !== 'serving');
  expect(names).toEqual(expect.arrayContaining(durable));
  for (const name of durable) expect(readFileSync(join(target, name), 'utf8'), name).toBe(contentOf(name));
  await unmount(target);
  await checkFileSystem(type, disk);
}

it.skipIf(process.env['DISKFERRY_GUEST'] !== 'user-mode-linux').each(scenes)(
  'a power cut at any moment of a move loses nothing that was durable ($type)',
  { timeout: msMax },
  async ({ type, diskBytes }) => {
    const world = await LoggedWorld.make(scratchOf(), diskBytes);
    const log = await moveUnderLoad(world, type);
    const seed = Date.now() % 1_000_000;
    console.log(`seed ${seed}, ${log.length} entries, the job serves from ${log.at('serving')} on`);
    const random = new Random(seed);
    for (let count = 0; count < cuts; count += 1) {
      // Most of what is written before somebody can use the volume is the journal, empty.
      const first = random.chance(0.25) ? 'before' : 'serving';
      const cut = random.between(log.at(first) + 1, log.length);
      await world.cutAt(log, cut);
      const end = await recoverFrom(world, type);
      const marks = log.marks(cut);
      console.log(`cut after ${cut} entries, ${marks.length} marks: ${end}`);
      await expectDurable(await truthOf(world, type), type, marks);
    }
  },
);
