/**
 * A person who cannot make up their mind: commands in random order at random moments while writers whose
 * every byte is known change the device. However the job ends, the disk that it names holds exactly what was
 * written. A failing seed is in the test's name: its commands are the same each time, the timing is not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DiskferryError } from '../../app/base/error.ts';
import { mebibyte, sectorBytes } from '../../app/base/units.ts';
import { exitCodes } from '../../app/contract/exit-codes.ts';
import { speedSchema } from '../../app/contract/plan.ts';
import { Random } from '../sim/random.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame, SectorWriter } from './support/sector-writer.ts';
import { usuallyOrInSoak } from './support/soak.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const seeds = Array.from({ length: usuallyOrInSoak(8, 50) }, (_, index) => index + 1);
const commandCount = 30;
/** Between two commands. */
const pauseMsMax = 20;

/** A command may come at a moment at which the job must refuse it. */
async function tryTo(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof DiskferryError) || error.code !== 'job-state') throw error;
  }
}

async function fidget(migration: Migration, random: Random): Promise<void> {
  const commands = [
    () => migration.ask('pause'),
    () => migration.ask('resume'),
    () => migration.ask('status'),
    () => migration.setSpeed(random.pick(speedSchema.options)),
  ];
  for (let command = 0; command < commandCount; command += 1) {
    await tryTo(random.pick(commands));
    await sleep(random.between(0, pauseMsMax));
  }
}

interface Ending {
  /** Before all is copied. */
  readonly isEarly: boolean;
  readonly isUndone: boolean;
  /** Else while the device is in use: the job then waits for the writers. */
  readonly isUnused: boolean;
}

function chooseEnding(random: Random): Ending {
  const isEarly = random.chance(0.5);
  return { isEarly, isUndone: isEarly || random.chance(0.3), isUnused: random.chance(0.5) };
}

async function synchronize(migration: Migration): Promise<void> {
  await tryTo(() => migration.ask('resume'));
  await migration.setSpeed('full');
  await migration.event('synchronized');
}

async function order(migration: Migration, { isUndone }: Ending, random: Random): Promise<void> {
  if (!isUndone) await migration.ask('cutover');
  else if (random.chance(0.5)) await migration.ask('undo');
  else migration.interrupt();
}

describe.skipIf(!isRoot)('a migration under random commands (needs root)', () => {
  it.each(seeds)('ends with every sector in its place (seed %i)', async (seed) => {
    const scratch = scratchOf();
    const random = new Random(seed);
    const sizeBytes = random.between(20, 60) * mebibyte + sectorBytes * random.between(0, 7);
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes, content: 'random' });
    const disks = { source: source.path, destination: destination.path };
    const expected = readPart(source.path, 0, sizeBytes);

    const migration = Migration.start(scratch, disks, '--hold');
    const device = await migration.device();
    const writer = await SectorWriter.open(scratch, device, { seed, expected, sectorBytes });
    let isWriting = true;
    const writing = writer.runWhile(() => isWriting);
    await fidget(migration, random);

    const ending = chooseEnding(random);
    if (!ending.isEarly) await synchronize(migration);
    if (!ending.isUnused) await order(migration, ending, random);
    await sleep(random.between(0, 5 * pauseMsMax));
    isWriting = false;
    await writing;
    await writer.close();
    if (ending.isUnused) await order(migration, ending, random);

    const { isUndone } = ending;
    expect(await migration.end()).toMatchObject({ exitCode: isUndone ? exitCodes.undone : exitCodes.done });
    expectSame(readPart(isUndone ? source.path : destination.path, 0, sizeBytes), expected);
  });
});
