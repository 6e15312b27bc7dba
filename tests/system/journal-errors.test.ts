/**
 * The disk under a job's state fails in the middle of a job: the journal cannot be written any more. Nothing is
 * said to be durable from then on, the volume's users are told so and the person is asked at once. No way can be
 * gone without a record; the volume stays in use, and both disks stay as they are.
 *
 * ext4's own switch for tests makes every later write to that file system fail (EXT4_IOC_SHUTDOWN, by xfs_io).
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { faultRow } from '../fault-table.ts';
import { readDirect, writeDirect } from './support/direct-io.ts';
import { makeFileSystem, mount, unmount } from './support/file-system.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';
import { sweep } from './support/traces.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 64 * mebibyte;
const block = 4096;

/** A file system of its own for the state. Returns what makes all later writes to it fail. */
async function makeStateDisk(): Promise<() => Promise<void>> {
  const target = await scratchOf().makeDirectory('state');
  const disk = await makeLoopDisk(scratchOf(), 'state-disk', { sizeBytes: 128 * mebibyte });
  await makeFileSystem('ext4', disk.path);
  await mount(disk.path, target);
  return async () => {
    await runCommand('xfs_io', ['-x', '-c', 'shutdown', target], 'shutting the file system down');
  };
}

function flush(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

interface Job {
  readonly migration: Migration;
  readonly source: LoopDisk;
  /** Of the source. */
  readonly original: Buffer;
  /** Of the virtual device. */
  readonly expected: Buffer;
}

/** A consumer has written after the journal had failed, before everything has crossed or afterwards. */
async function startJob(state: 'copying' | 'synchronized'): Promise<Job> {
  const failState = await makeStateDisk();
  const [source, destination] = [
    await makeLoopDisk(scratchOf(), 'source', { sizeBytes, content: 'random' }),
    await makeLoopDisk(scratchOf(), 'destination', { sizeBytes, content: 'random' }),
  ];
  const original = readPart(source.path, 0, sizeBytes);
  const expected = Buffer.from(original);
  const disks = { source: source.path, destination: destination.path };
  const migration = Migration.start(scratchOf(), disks, '--hold');
  const device = await migration.pausedDevice();
  if (state === 'synchronized') {
    await migration.ask('resume');
    await migration.event('synchronized');
  }
  const write = (at: number, byte: number): void => {
    const data = Buffer.alloc(2 * block, byte);
    writeDirect(device, at, data);
    expected.set(data, at);
  };
  write(5 * block, 0xab);
  flush(device);
  await failState();
  write(6 * block, 0xcd);
  expect(() => flush(device)).toThrow(/EIO/);
  return { migration, source, original, expected };
}

describe.skipIf(!isRoot)('a job whose journal fails (needs root)', () => {
  it.each(['copying', 'synchronized'] as const)(
    'while it is %s asks at once, goes neither way, and goes on serving',
    async (state) => {
      const { migration, source, original, expected } = await startJob(state);
      const isOfJournal = /\/state\/.*journal.*: the journal cannot be written: EIO/;
      expect((await migration.event('decision')).message).toMatch(isOfJournal);
      const parameters = [await migration.job(), '--state-dir', scratchOf().stateDirectory];
      const { exitCode } = faultRow('the journal cannot be written');
      expect(await runCli('cutover', ...parameters)).toMatchObject({ exitCode });
      await migration.ask('undo');
      await waitUntil('it asks again', () => migration.eventsNamed('decision').length === 2);
      expect(migration.eventsNamed('decision')[1]?.message).toMatch(isOfJournal);
      const device = await migration.device();
      expectSame(readDirect(device, 5 * block, 3 * block), expected.subarray(5 * block, 8 * block));
      expectSame(readPart(source.path, 0, sizeBytes), original);
      await migration.kill();
      await sweep(scratchOf().stateDirectory);
      await unmount(scratchOf().stateDirectory);
    },
  );
});
