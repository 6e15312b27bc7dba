/**
 * The clock of the machine jumps while a volume moves, as when a laptop with an empty battery of its clock finds the
 * network: what a job does and says of its duration does not hang on it. Only in a guest, whose clock is its own.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { faultRow } from '../fault-table.ts';
import { makeLoopDisk, readPart } from '../system/support/loop-disk.ts';
import { Migration } from '../system/support/migration.ts';
import { useScratch } from '../system/support/scratch.ts';
import { expectSame, SectorWriter } from '../system/support/sector-writer.ts';

const scratchOf = useScratch();
const sizeBytes = 16 * mebibyte;
const daySeconds = 86_400;
/** Far beyond what the job takes, and far below the jumps. */
const elapsedMsMax = (daySeconds * 1000) / 2;

/** Of the clock of the wall, ahead of the one that nobody can set. */
let aheadMs: number;

async function setClock(seconds: number): Promise<void> {
  await runCommand('date', ['--set', `@${seconds}`], 'setting the clock');
}

async function jump(days: number): Promise<void> {
  await setClock(Math.round(Date.now() / 1000) + days * daySeconds);
}

beforeEach(() => {
  aheadMs = Date.now() - performance.now();
});

afterEach(async () => {
  await setClock(Math.round((aheadMs + performance.now()) / 1000));
});

it.skipIf(process.env['DISKFERRY_GUEST'] !== 'user-mode-linux')(
  'a job goes on to its end when the clock jumps ahead and back, and tells how long it really took',
  async () => {
    const source = await makeLoopDisk(scratchOf(), 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratchOf(), 'destination', { sizeBytes });
    const expected = readPart(source.path, 0, sizeBytes);
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratchOf(), disks, '--frontend', 'fuse', '--unmount-at-cutover', '--hold');
    const writer = await SectorWriter.open(scratchOf(), await migration.device(), { seed: 11, expected, sectorBytes: 512 });
    await jump(400);
    await writer.run(20);
    await migration.event('synchronized');
    await jump(-800);
    await writer.run(20);
    await writer.close();
    await migration.ask('cutover');
    const { exitCode } = faultRow('the clock of the machine jumps ahead and back');
    expect(await migration.end()).toMatchObject({ exitCode });
    expect(migration.surprises).toEqual([]);
    const { report } = await migration.event('finished');
    expect(report.elapsedMs).toBeGreaterThan(0);
    expect(report.elapsedMs).toBeLessThan(elapsedMsMax);
    expect(report.longestStallMs).toBeLessThan(elapsedMsMax);
    expectSame(readPart(destination.path, 0, sizeBytes), expected);
  },
);
