/** The image that `--create` makes: gone again when the start fails, and nobody else's file with it. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { Plan } from '../../app/contract/plan.ts';
import { Ferry } from '../../app/migration/ferry.ts';
import { gatherFacts } from '../../app/migration/facts.ts';
import { decidePlan } from '../../app/migration/plan.ts';
import { ShownDestination } from '../../app/migration/shown-destination.ts';
import { StartTrace } from '../../app/migration/start-trace.ts';
import { findMount, makeFileSystem, mount, unmount } from './support/file-system.ts';
import { makeImage, makeLoopDisk } from './support/loop-disk.ts';
import { makeJobOptions } from './support/made-job.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 32 * mebibyte;

/** Of a move from an image to one that is to be made. */
async function makePlan(destinationPath: string): Promise<Plan> {
  const scratch = scratchOf();
  const sourcePath = scratch.path('source.img');
  makeImage(sourcePath, sizeBytes);
  const { stateDirectory } = scratch;
  const looks = { looksCloser: true, findsWriters: true, readsAllocation: false };
  const facts = await gatherFacts({ sourcePath, destinationPath, stateDirectory, ...looks });
  return decidePlan(facts, { frontend: 'nbd-socket', mode: 'redirect', createBytes: sizeBytes });
}

const unexpected = (): never => {
  throw new Error('nothing of that is expected');
};
const unseen = new ShownDestination({ keep: unexpected, warn: unexpected });
const unrecovered = {
  ...{ isRecovered: false, foreseen: () => undefined, shown: unseen },
  ...{ beforeGoingOn: unexpected, beforeUse: () => Promise.resolve() },
};

/** A start that fails when the image has been made; `meanwhile` happens before. */
async function failToStart(destinationPath: string, meanwhile: () => void): Promise<void> {
  const directory = scratchOf().directory;
  const findFree = (): never => {
    meanwhile();
    throw new Error('a failure for the test');
  };
  const plan = await makePlan(destinationPath);
  const { record, journal } = await makeJobOptions({ job: 'test', plan, directory });
  const trace = new StartTrace(record);
  await expect(Ferry.bringUp({ ...record, directory, journal, findFree, trace, ...unrecovered })).rejects.toThrow(
    'a failure for the test',
  );
  await journal.close();
}

describe.skipIf(!isRoot)('the image made by --create (needs root)', () => {
  it('is removed when the start fails', async () => {
    const path = scratchOf().path('new.img');
    let wasThere = false;
    await failToStart(path, () => (wasThere = existsSync(path)));
    expect([wasThere, existsSync(path)]).toEqual([true, false]);
  });

  it('is removed when its users cannot settle on the virtual device', async () => {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    await makeFileSystem('ext4', source.path);
    const target = await scratch.makeDirectory('volume');
    await mount(source.path, target);
    const destination = scratch.path('new.img');
    const users = ['--stop-command', 'true', '--start-command', 'false'];
    const disks = { source: source.path, destination };
    const migration = Migration.start(scratch, disks, '--create', String(sizeBytes), ...users);
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(await findMount(target)).toMatchObject({ source: source.path });
    expect(existsSync(destination)).toBe(false);
    await unmount(target);
  });

  it('is left alone when somebody has put another file in its place', async () => {
    const scratch = scratchOf();
    const path = scratch.path('new.img');
    await failToStart(path, () => {
      renameSync(path, scratch.path('moved.img'));
      writeFileSync(path, 'precious');
    });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('stays when the job is undone, because that is no failure to start', async () => {
    const scratch = scratchOf();
    const [source, destination] = [scratch.path('source.img'), scratch.path('new.img')];
    makeImage(source, sizeBytes);
    const more = ['--create', String(sizeBytes), '--hold'];
    const migration = Migration.start(scratch, { source, destination }, ...more);
    await migration.event('synchronized');
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(existsSync(destination)).toBe(true);
  });
});
