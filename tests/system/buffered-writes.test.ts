/**
 * Consumers that write through the page cache and never sync (dd, mkfs, most programs that open a disk): what
 * they had written when they closed the virtual device is on the disk that the job ends on.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 64 * mebibyte;
const offsetBytes = 3 * mebibyte;

describe.skipIf(!isRoot)('writes through the page cache (needs root)', () => {
  it.each([
    ['the destination after the cut-over', 'cutover'],
    ['the source after undo', 'undo'],
  ] as const)('are on %s', async (_, command) => {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    const data = randomBytes(8 * mebibyte);
    const migration = Migration.start(
      scratch,
      { source: source.path, destination: destination.path },
      '--hold',
    );
    const device = await migration.device();
    await migration.event('synchronized');

    const fd = openSync(device, 'r+');
    expect(writeSync(fd, data, 0, data.length, offsetBytes)).toBe(data.length);
    closeSync(fd);
    await migration.ask(command);
    await migration.end();

    const disk = command === 'cutover' ? destination : source;
    expectSame(readPart(disk.path, offsetBytes, data.length), data);
  });
});
