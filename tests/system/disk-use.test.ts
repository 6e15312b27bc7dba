/**
 * Who uses a disk, as a frontend that cannot count its users finds it out: openers, partitions, loop devices.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { majorMinorOf } from '../../app/devices/block-device.ts';
import { runCommand } from '../../app/devices/command.ts';
import { findDiskUse } from '../../app/devices/disk-use.ts';
import { attachLoopDisk, makeLoopDisk } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 8 * mebibyte;
const none = -1;

describe.skipIf(!isRoot)('the use of a disk (needs root)', () => {
  async function makeDisk(): Promise<{ path: string; majorMinor: string }> {
    const { path } = await makeLoopDisk(scratchOf(), 'disk', { sizeBytes });
    return { path, majorMinor: majorMinorOf(statSync(path, { bigint: true }).rdev) };
  }

  it('is none when nobody has it open but we, by the one descriptor that we name', async () => {
    const { path, majorMinor } = await makeDisk();
    expect(findDiskUse(majorMinor, none)).toBeUndefined();
    const fd = openSync(path, 'r');
    expect(findDiskUse(majorMinor, fd)).toBeUndefined();
    expect(findDiskUse(majorMinor, none)).toContain(`process ${process.pid}`);
    closeSync(fd);
  });

  it('is a loop device that lies on it', async () => {
    const { path, majorMinor } = await makeDisk();
    const upper = await attachLoopDisk(path, sizeBytes);
    scratchOf().onRelease(upper.path, async () => {
      await runCommand('losetup', ['--detach', upper.path], 'detaching the upper one');
    });
    expect(findDiskUse(majorMinor, none)).toBe(`${upper.path} lies on it`);
  });
});
