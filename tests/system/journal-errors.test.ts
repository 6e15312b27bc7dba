/**
 * The disk under a job's state fails in the middle of a job: the journal cannot be written any more. Nothing is
 * said to be durable from then on, the volume's users are told so and the person is asked at once, with both disks
 * left as they are; undo needs no journal.
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
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';

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
  readonly destination: LoopDisk;
  readonly expected: Buffer;
}

/** A consumer has written after the journal had failed, before everything has crossed or afterwards. */
async function startJob(state: 'copying' | 'synchronized'): Promise<Job> {
  const failState = await makeStateDisk();
  const [source, destination] = [
    await makeLoopDisk(scratchOf(), 'source', { sizeBytes, content: 'random' }),
    await makeLoopDisk(scratchOf(), 'destination', { sizeBytes, content: 'random' }),
  ];
  const expected = readPart(source.path, 0, sizeBytes);
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
  return { migration, source, destination, expected };
}

describe.skipIf(!isRoot)('a job whose journal fails (needs root)', () => {
  it.each(['copying', 'synchronized'] as const)(
    'while it is %s asks at once, goes on serving, and can be undone',
    async (state) => {
      const { migration, source, expected } = await startJob(state);
      const { message, choices } = await migration.event('decision');
      expect(message).toMatch(/\/state\/.*journal.*: the journal cannot be written: EIO/);
      expect(choices.map(({ choice }) => choice)).toEqual(['undo']);
      const device = await migration.device();
      expectSame(readDirect(device, 5 * block, 3 * block), expected.subarray(5 * block, 8 * block));
      await migration.ask('undo');
      // Nor can it be said that what is left in the device's page cache has become durable.
      await migration.event('decision', (event) => event.message.includes('may be lost'));
      await migration.ask('undo');
      const { exitCode } = faultRow('the journal cannot be written, and the job is undone');
      const end = await migration.end();
      expect(end).toMatchObject({ exitCode });
      expectSame(readPart(source.path, 0, sizeBytes), expected);
      // Nothing can be removed there any more; it goes with its disk.
      expect(end.stderr).toContain('the record of this move, which is over, is still there; remove it');
      await unmount(scratchOf().stateDirectory);
    },
  );
});
