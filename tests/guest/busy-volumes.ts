/**
 * Mounted volumes that are busy while something is done to what lies below them: on each a fio that verifies
 * what it writes, again and again until it is over, and a file workload that compares its tree. Then the
 * checkers.
 */
import { mkdirSync } from 'node:fs';
import { expect } from 'vitest';
import { dependenciesOf } from '../../app/devices/device-mapper.ts';
import type { FileSystemType } from '../system/support/file-system.ts';
import { checkFileSystem, findMount, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import type { FioJob } from '../system/support/fio.ts';
import { runFio } from '../system/support/fio.ts';
import type { Migration } from '../system/support/migration.ts';
import type { Scratch } from '../system/support/scratch.ts';
import { Workload } from '../system/support/workload.ts';

const writer = {
  rw: 'randrw',
  bs: '4k',
  size: '4M',
  verify: 'crc32c',
  verify_backlog: 64,
  // Reads and writes. As many as an emulated machine can do would take all of its time from the move.
  rate_iops: '200,200',
  time_based: 1,
  runtime: 3,
};

export interface Volume {
  readonly device: string;
  readonly type: FileSystemType;
  readonly target: string;
}

/** Makes the file system; it is unmounted with the scratch if the test has not done so. */
export async function mountVolume(scratch: Scratch, device: string, type: FileSystemType): Promise<Volume> {
  await makeFileSystem(type, device);
  const target = await scratch.makeDirectory(`on-${device.split('/').at(-1) ?? ''}`);
  await mount(device, target);
  scratch.onRelease(target, async () => {
    if ((await findMount(target)) !== undefined) await unmount(target);
  });
  return { device, type, target };
}

/**
 * All volumes are busy from before `during` begins until after it has ended. `options`: more of fio's, such
 * as its rate.
 */
export async function whileBusy(
  scratch: Scratch,
  volumes: readonly Volume[],
  during: () => Promise<void>,
  options: FioJob['options'] = {},
): Promise<void> {
  const trees = volumes.map(({ target }, index) => ({ directory: `${target}/tree`, seed: 7 + index }));
  const workload = await Workload.start(scratch, trees);
  let isOver = false;
  const writing = Promise.all(
    volumes.map(async ({ target }, index) => {
      mkdirSync(`${target}/fio-${index}`);
      do
        await runFio(scratch, `${target}/fio-${index}/data-${index}`, [
          { name: 'writer', options: { ...writer, ...options } },
        ]);
      while (!isOver);
    }),
  );
  try {
    await workload.doSteps(20);
    await during();
    await workload.doSteps(20);
  } finally {
    isOver = true;
    await writing;
  }
  await workload.end();
  await workload.expectTrees();
}

export async function checkAll(volumes: readonly Volume[]): Promise<void> {
  for (const { device, type, target } of volumes) {
    await unmount(target);
    await checkFileSystem(type, device);
  }
}

/**
 * Of a job that was started with `--hold`. Prints what the move cost its users. `warnings`: beside those of
 * the plan.
 */
export async function cutOver(migration: Migration, warnings: readonly string[] = []): Promise<void> {
  await migration.event('synchronized');
  await migration.ask('cutover');
  expect(await migration.end()).toMatchObject({ exitCode: 0 });
  expect(migration.surprises.map(({ message }) => message)).toEqual(warnings);
  const { report } = await migration.event('finished');
  const pauses = report.interruptions.map(({ at, elapsedMs }) => `${at} ${elapsedMs}`);
  console.log(`pauses of tables in ms: ${pauses.join(', ')}; longest stall ${report.longestStallMs} ms`);
}

/** What the device-mapper devices of these names lie on, as `majorMinor`. */
export async function numbersBelow(...names: readonly string[]): Promise<string[]> {
  return (await Promise.all(names.map((name) => dependenciesOf(name)))).flat();
}
