/**
 * Hundreds of changes of a device's table, in random order and of every kind, while fio writes through it and
 * verifies: nothing is lost, and nothing of the program or of the kernel is left behind. A failing seed
 * repeats the order.
 */
import { closeSync, openSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import {
  createMapped,
  dropPrepared,
  infoOf,
  prepareTable,
  removeMapped,
  replaceTable,
  resumeMapped,
  suspendMapped,
} from '../../../app/devices/device-mapper.ts';
import type { Segment } from '../../../app/devices/dm-table.ts';
import { linearTable } from '../../../app/devices/dm-table.ts';
import { MappedVolume } from '../../../app/substitution/mapped-volume.ts';
import { Random } from '../../sim/random.ts';
import { runFio } from '../../system/support/fio.ts';
import { attachLoopDisk, makeLoopDisk } from '../../system/support/loop-disk.ts';
import { useScratch } from '../../system/support/scratch.ts';

const scratch = useScratch();
const name = 'diskferry-cycles';
const diskBytes = 64 * mebibyte;
const rounds = 200;
const warmUpRounds = 20;
/** The garbage collector's freedom, far below what a leak of a message in each round would take. */
const growthBytesMax = 48 * mebibyte;

const kinds = [
  'swap',
  'swap',
  'swap and flush',
  'guarded',
  'suspend',
  'prepare',
  'refused',
  'fails',
] as const;

it(`loses nothing and leaves nothing in ${rounds} random changes of a table under load`, async () => {
  const seed = Date.now();
  const random = new Random(seed);
  const disk = await makeLoopDisk(scratch(), 'disk', { sizeBytes: diskBytes });
  // Two ways to the same bytes, so that every table is right.
  const ways = [disk, await attachLoopDisk(disk.file, diskBytes)].map(({ path }) => deviceNumberAt(path));
  const small = await makeLoopDisk(scratch(), 'small', { sizeBytes: mebibyte });
  const tableOn = (device = ''): Segment[] =>
    linearTable({ device, startSector: 0 }, diskBytes / sectorBytes);
  const flushFd = openSync(disk.path, 'r');
  scratch().onRelease('the flush descriptor', () => closeSync(flushFd));
  const { path } = await createMapped({ name, segments: tableOn(ways[0]) });
  scratch().onRelease(name, () => removeMapped(name));

  let way = 0;
  const acts: Record<(typeof kinds)[number], () => Promise<unknown>> = {
    swap: () => replaceTable({ name, segments: tableOn(ways[(way = 1 - way)]), flushFd: null }),
    'swap and flush': () => replaceTable({ name, segments: tableOn(ways[(way = 1 - way)]), flushFd }),
    guarded: () => {
      const volume = new MappedVolume([{ name, segments: tableOn(ways[way]) }], ways[way] ?? '');
      return volume.moveTo({ to: ways[(way = 1 - way)] ?? '', flushFd });
    },
    suspend: async () => {
      await suspendMapped(name);
      await sleep(random.between(0, 20));
      await resumeMapped(name);
    },
    prepare: async () => {
      await prepareTable(name, tableOn(ways[1 - way]));
      await dropPrepared(name);
    },
    refused: () => expect(prepareTable(name, tableOn('240:9'))).rejects.toThrow('does not exist'),
    fails: () =>
      expect(
        replaceTable({ name, segments: tableOn(deviceNumberAt(small.path)), flushFd }),
      ).rejects.toThrow(),
  };
  const held = (): unknown => ({
    descriptors: readdirSync('/proc/self/fd').length,
    devices: readdirSync('/sys/block').filter((device) => /^(dm-|loop)/.test(device)).length,
  });

  let round = 0;
  const changeUntil = async (end: number): Promise<void> => {
    for (; round < end; round += 1) {
      const kind = random.pick(kinds);
      await acts[kind]().catch((cause: unknown) => {
        throw new Error(`seed ${seed}, round ${round}: ${kind}`, { cause });
      });
      if (load.runs) load.changes += 1;
    }
  };

  const load = { runs: false, changes: 0 };
  await changeUntil(warmUpRounds);
  const [before, memoryBytes] = [held(), process.memoryUsage().rss];
  load.runs = true;
  const options = {
    rw: 'randrw',
    bs: '4k',
    size: '24M',
    verify: 'crc32c',
    verify_backlog: 256,
    time_based: 1,
    runtime: 12,
  };
  const fio = runFio(scratch(), path, [{ name: 'writer', options }]).finally(() => (load.runs = false));
  await changeUntil(warmUpRounds + rounds);
  const [result] = await fio;
  expect(result?.error).toBe(0);
  expect(held()).toEqual(before);
  expect(process.memoryUsage().rss - memoryBytes).toBeLessThan(growthBytesMax);
  expect(await infoOf(name)).toMatchObject({ isSuspended: false, hasInactiveTable: false });
  console.log(
    `seed ${seed}: ${load.changes} of ${rounds} changes under load, ${result?.write.total_ios} writes verified`,
  );
});
