/**
 * A change of a table that never comes to its end: whoever makes it is killed after one of its steps, or
 * stands still. The device runs on nevertheless, and on its old table unless the new one was active already.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import {
  createMapped,
  infoOf,
  removeMapped,
  suspendMapped,
  tableOf,
} from '../../../app/devices/device-mapper.ts';
import type { Segment } from '../../../app/devices/dm-table.ts';
import { linearTable, targetsOf } from '../../../app/devices/dm-table.ts';
import { Watchdog } from '../../../app/substitution/watchdog.ts';
import { bundledProgram } from '../../bundled-program.ts';
import { makeLoopDisk, readPart } from '../../system/support/loop-disk.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { waitUntil } from '../../system/support/wait.ts';

const scratch = useScratch();
const diskBytes = 8 * mebibyte;
const name = 'diskferry-watched';

let oldTable: Segment[];
let newTable: Segment[];

beforeEach(async () => {
  const device = deviceNumberAt((await makeLoopDisk(scratch(), 'disk', { sizeBytes: diskBytes })).path);
  const halfSectors = diskBytes / sectorBytes / 2;
  oldTable = linearTable({ device, startSector: 0 }, halfSectors);
  newTable = linearTable({ device, startSector: halfSectors }, halfSectors);
  await createMapped({ name, segments: oldTable });
  scratch().onRelease(name, () => removeMapped(name));
});

interface Suspender {
  readonly child: ChildProcessWithoutNullStreams;
  /** All that it and the watchdog have said, when both have ended. */
  readonly said: Promise<string>;
}

/** Resolves when it has stopped after that step. */
async function suspendUntil(step: string, limitMs: number): Promise<Suspender> {
  const program = bundledProgram('tests/guest/substitution/suspender');
  const table = JSON.stringify(targetsOf(newTable));
  const child = spawn(process.execPath, [program, name, table, step, String(limitMs)]);
  scratch().onRelease('the suspender', () => void child.kill('SIGKILL'));
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (data: string) => (text += data));
  const said = once(child.stderr, 'end').then(() => text);
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(async () => {
      throw new Error(await said);
    }),
  ]);
  return { child, said };
}

async function expectRunningOn(table: Segment[]): Promise<void> {
  expect(await infoOf(name)).toMatchObject({ isSuspended: false, hasInactiveTable: false });
  expect(await tableOf(name)).toEqual(table);
  expect(readPart(`/dev/mapper/${name}`, 0, sectorBytes)).toHaveLength(sectorBytes);
}

describe('whoever changes a table', () => {
  it.each([
    ['guarded', () => oldTable],
    ['loaded', () => oldTable],
    ['suspended', () => oldTable],
    ['resumed', () => newTable],
  ])('is killed when the device is %s: it runs', async (step, table) => {
    const { child, said } = await suspendUntil(step, 20_000);
    if (step === 'suspended') expect((await infoOf(name)).isSuspended).toBe(true);
    child.kill('SIGKILL');
    expect(await said).toContain(`${name}: whoever was changing its table has ended; it goes on`);
    await expectRunningOn(table());
  });

  it('stands still for too long: the device goes on, and the table that waited never comes', async () => {
    const { child, said } = await suspendUntil('suspended', 1500);
    await waitUntil('the watchdog has resumed it', async () => !(await infoOf(name)).isSuspended);
    await expectRunningOn(oldTable);
    child.kill('SIGKILL');
    expect(await said).toContain(`${name}: has been suspended for too long; it goes on with its old table`);
  });

  it('is told that it took too long, as the reason of what failed', async () => {
    const guarded = Watchdog.during((watchdog) =>
      watchdog.guard({ name, limitMs: 200 }, async () => {
        await suspendMapped(name);
        await waitUntil('the watchdog has resumed it', async () => !(await infoOf(name)).isSuspended);
        throw new Error('the old table serves');
      }),
    );
    await expect(guarded).rejects.toMatchObject({
      code: 'mapping-failed',
      message: expect.stringContaining('stood still for too long'),
    });
    await expectRunningOn(oldTable);
  });

  it('suspends nothing when no watchdog runs', async () => {
    const dead = Watchdog.during(async (watchdog) => {
      process.kill(watchdog.pid, 'SIGKILL');
      await waitUntil('it has died', () => watchdog.isDead);
      await watchdog.guard({ name, limitMs: 1000 }, () => suspendMapped(name));
    });
    await expect(dead).rejects.toMatchObject({ message: expect.stringContaining('SIGKILL') });
    await expectRunningOn(oldTable);
  });
});
