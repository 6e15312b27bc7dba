/**
 * Copying at the two considerate speeds beside a busy consumer: what the consumer keeps of the rate and
 * latency that it has with nothing being copied, and how far the copy falls meanwhile. Two kinds of consumer:
 * one that keeps the bare virtual device busy, and an ext4 file system on it in which every small write is
 * made durable at once, so that its requests are few and many of them are flushes.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Speed } from '../../../app/copy/pace.ts';
import { gibibyte, mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { makeDisk } from '../bench-disks.ts';
import { scoped } from '../benchmark.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import type { Load, LoadFigures } from '../fio.ts';
import { loadStartMs, loadWarmUpMs, runLoad } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Goal, Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import type { Disks } from '../peers/copy-tools.ts';

const sizeBytes = 4 * gibibyte;
/** What the consumer in the file system writes to; made before anything is measured. */
const fileName = 'file';
const fileBytes = 256 * mebibyte;
/** The copy's rate is taken over intervals of this length; the slowest counts. */
const rateIntervalMs = 500;
/** No speed copies a greater share of its idle rate than this beside a load. */
const copyShareMax = 0.5;

interface Profile {
  readonly speed: Speed;
  readonly iops: Goal;
  readonly p99: Goal | null;
  readonly copy: Goal | null;
}

const profiles: readonly Profile[] = [
  {
    speed: 'balanced',
    iops: { kind: 'at-least', ratio: 0.8 },
    p99: { kind: 'at-most', ratio: 2 },
    copy: { kind: 'at-least', ratio: 0.1 },
  },
  { speed: 'gentle', iops: { kind: 'at-least', ratio: 0.92 }, p99: null, copy: null },
];

interface Consumer {
  readonly name: string;
  /**
   * Takes the virtual device into use, for as long as `part` lasts; returns the load that it then puts on it.
   */
  begin(part: Bench, devicePath: string): Promise<Load>;
}

const onDevice = (depth: number): Consumer => ({
  name: `depth ${depth}`,
  begin: (_part, path) => Promise.resolve({ target: { kind: 'device', path }, depth, sizeBytes }),
});

const inFileSystem: Consumer = {
  name: 'ext4, fsync',
  async begin(part, devicePath) {
    const path = join(await mounted(part, devicePath), fileName);
    return { target: { kind: 'file', path }, depth: 1, sizeBytes: fileBytes };
  },
};

export const besideConsumer = besideConsumers({
  name: 'beside-consumer',
  title: 'copying beside 4 KiB random, 70 % reads',
  consumers: [onDevice(1), onDevice(32)],
  prepare: () => Promise.resolve(),
});

export const besideFileSystem = besideConsumers({
  name: 'beside-file-system',
  title: 'copying beside ext4 on the virtual device: 4 KiB random writes, each made durable',
  consumers: [inFileSystem],
  prepare: makeFileSystem,
});

interface Setting {
  readonly name: string;
  readonly title: string;
  readonly consumers: readonly Consumer[];
  /** Puts on the source what the consumers need there. */
  readonly prepare: (bench: Bench, sourcePath: string) => Promise<void>;
}

function besideConsumers({ name, title, consumers, prepare }: Setting): Benchmark {
  return {
    name,
    title,
    async run(bench) {
      const source = await makeDisk(bench, 'source', sizeBytes, 'random');
      const destination = await makeDisk(bench, 'destination', sizeBytes, 'zeroes');
      await prepare(bench, source.path);
      const measurement = { bench, disks: { source, destination }, ours: OurDevice.start(bench) };
      const outcomes: Outcome[] = [];
      for (const profile of profiles) {
        for (const consumer of consumers)
          outcomes.push(...(await measure({ ...measurement, consumer }, profile)));
      }
      return outcomes;
    },
  };
}

interface Measurement {
  readonly bench: Bench;
  readonly disks: Disks;
  readonly ours: OurDevice;
  readonly consumer: Consumer;
}

interface Round {
  readonly idleRate: number;
  readonly without: LoadFigures;
  readonly beside: LoadFigures;
  readonly slowestRate: number;
}

async function measure(measurement: Measurement, { speed, iops, p99, copy }: Profile): Promise<Outcome[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < measurement.bench.effort.rounds; round += 1) {
    rounds.push(await measureRound(measurement, speed));
  }
  const figure = (of: (round: Round) => number): number[] => rounds.map(of);
  const outcome = (subject: string): string => `${speed}, ${measurement.consumer.name}: ${subject}`;
  return [
    compare({
      what: outcome('consumer'),
      unit: 'IOPS',
      ours: figure(({ beside }) => beside.iops),
      theirName: 'without copying',
      theirs: figure(({ without }) => without.iops),
      goal: iops,
    }),
    compare({
      what: outcome('consumer p99'),
      unit: 'µs',
      ours: figure(({ beside }) => beside.p99Us),
      theirName: 'without copying',
      theirs: figure(({ without }) => without.p99Us),
      goal: p99,
    }),
    compare({
      what: outcome('slowest copy'),
      unit: 'MB/s',
      ours: figure(({ slowestRate }) => slowestRate),
      theirName: 'idle',
      theirs: figure(({ idleRate }) => idleRate),
      goal: copy,
    }),
  ];
}

async function measureRound({ bench, disks, ours, consumer }: Measurement, speed: Speed): Promise<Round> {
  await attach(ours, disks, speed);
  const idleRate = sizeBytes / 1000 / (await ours.copy());
  await ours.detach();

  const path = await attach(ours, disks, speed);
  const seconds = Math.min(bench.effort.loadSeconds, lastingSeconds(idleRate));
  const measured = await scoped(bench, async (part) => {
    const load = await consumer.begin(part, path);
    const without = await runLoad(load, seconds);
    return { without, ...(await runBeside(load, ours, seconds)) };
  });
  await ours.detach();
  return { idleRate, ...measured };
}

/** Both have ended when this returns or throws: what they use can be taken away. */
async function runBeside(
  load: Load,
  ours: OurDevice,
  seconds: number,
): Promise<Pick<Round, 'beside' | 'slowestRate'>> {
  const [beside, slowestRate] = await Promise.allSettled([
    runLoad(load, seconds),
    slowestCopy(ours, seconds),
  ]);
  if (beside.status === 'rejected') throw beside.reason;
  if (slowestRate.status === 'rejected') throw slowestRate.reason;
  return { beside: beside.value, slowestRate: slowestRate.value };
}

async function attach(ours: OurDevice, { source, destination }: Disks, speed: Speed): Promise<string> {
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  return (await ours.attach({ ...paths, frontend: 'fuse', speed })).name;
}

/** A load that is not longer than the copy beside it: fast disks are through sooner. */
function lastingSeconds(idleRate: number): number {
  return sizeBytes / 1e6 / (idleRate * copyShareMax) - loadWarmUpMs / 1000;
}

/**
 * Starts the copy when the load is on; MB/s in its slowest interval from when the load is measured until it
 * ends.
 */
async function slowestCopy(ours: OurDevice, seconds: number): Promise<number> {
  await sleep(loadStartMs);
  await ours.startCopy();
  await sleep(loadWarmUpMs - loadStartMs);
  let slowest = Number.POSITIVE_INFINITY;
  let before = await ours.progress();
  const endMs = before.timeMs + seconds * 1000;
  while (before.timeMs + rateIntervalMs < endMs) {
    await sleep(rateIntervalMs);
    const now = await ours.progress();
    slowest = Math.min(slowest, (now.copiedBytes - before.copiedBytes) / 1000 / (now.timeMs - before.timeMs));
    before = now;
  }
  if (!before.isCopying)
    throw new Error('the copy ended before the load did: its disks are too small for this machine');
  return slowest;
}

async function makeFileSystem(bench: Bench, sourcePath: string): Promise<void> {
  await runCommand(
    'mkfs.ext4',
    ['-q', '-F', '-E', 'nodiscard,lazy_itable_init=0', sourcePath],
    'making the file system',
  );
  await scoped(bench, async (part) => {
    const path = join(await mounted(part, sourcePath), fileName);
    await runCommand('fallocate', ['--length', String(fileBytes), path], 'making the file');
    await runCommand(
      'dd',
      ['if=/dev/zero', `of=${path}`, 'bs=1M', `count=${fileBytes / mebibyte}`, 'conv=notrunc,fsync'],
      'filling it',
    );
  });
}

/** The directory. */
async function mounted(part: Bench, devicePath: string): Promise<string> {
  const directory = join(part.directory, 'mounted');
  await mkdir(directory);
  await runCommand('mount', [devicePath, directory], `mounting ${devicePath}`);
  part.held.add(directory, () => runCommand('umount', [directory], `unmounting ${directory}`).then(() => {}));
  return directory;
}
