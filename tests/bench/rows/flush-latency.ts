/**
 * What a consumer waits for who makes every small write durable: a flush through the virtual device, with
 * whatever the job itself makes durable for it, beside a flush of a disk like the destination and one durable
 * write to a file in the place of a journal. On a real disk and not in memory, where a flush costs nothing.
 * The copy rests.
 */
import { join } from 'node:path';
import { gibibyte, mebibyte } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import { scoped } from '../benchmark.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { durableWriteUs, flushUs } from '../fio.ts';
import { bareDevice, OurJob } from '../our-job.ts';
import type { Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import { paired } from '../paired.ts';

const realDirectory = '/var/tmp';
const sizeBytes = gibibyte;
/** As long as a journal of that disk, more or less: it is written from one end to the other. */
const fileBytes = 16 * mebibyte;
const timesMax = 2;

export const flushLatency: Benchmark = {
  name: 'flush-latency',
  title: `each 4 KiB write flushed, on disks in ${realDirectory}`,
  run: (bench) => scoped({ ...bench, directory: realDirectory }, measure),
};

async function measure(bench: Bench): Promise<readonly Outcome[]> {
  const disk = (name: string) => makeDisk(bench, name, sizeBytes, 'random');
  const [source, destination, bare] = [await disk('source'), await disk('destination'), await disk('bare')];
  const job = OurJob.start(bench, { source, destination }, bareDevice);
  const device = await job.attached();
  await job.ask('pause');
  const seconds = bench.effort.loadSeconds;
  const file = { path: join(bench.directory, 'journal'), sizeBytes: fileBytes };
  const figures = await paired(bench, {
    ours: () => flushUs({ path: device, sizeBytes }, seconds),
    bare: () => flushUs({ path: bare.path, sizeBytes }, seconds),
    write: () => durableWriteUs(file, seconds),
  });
  return [
    compare({
      what: 'one flush',
      unit: 'µs',
      ours: figures.ours,
      theirName: 'bare flush and durable write',
      theirs: figures.bare.map((flush, round) => flush + (figures.write[round] ?? Number.NaN)),
      goal: { kind: 'at-most', ratio: timesMax },
    }),
    compare({
      what: 'one flush',
      unit: 'µs',
      ours: figures.ours,
      theirName: 'bare flush',
      theirs: figures.bare,
      goal: null,
    }),
  ];
}
