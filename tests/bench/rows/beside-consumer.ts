/**
 * Copying at the two considerate speeds beside a busy consumer: what the consumer keeps of the rate and latency that it has
 * with nothing being copied, and how far the copy falls meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Speed } from '../../../app/copy/pace.ts';
import { gibibyte } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import type { Load, LoadFigures } from '../fio.ts';
import { loadWarmUpMs, runLoad } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Goal, Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import type { Disks } from '../peers/copy-tools.ts';

const sizeBytes = 4 * gibibyte;
const depths = [1, 32] as const;
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

export const besideConsumer: Benchmark = {
  name: 'beside-consumer',
  title: 'copying beside 4 KiB random, 70 % reads',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const source = await makeDisk(bench, 'source', sizeBytes, 'random');
    const destination = await makeDisk(bench, 'destination', sizeBytes, 'zeroes');
    const disks: Disks = { source, destination };
    const ours = OurDevice.start(bench);
    const outcomes: Outcome[] = [];
    for (const profile of profiles) {
      for (const depth of depths) outcomes.push(...(await measure(bench, ours, disks, profile, depth)));
    }
    return outcomes;
  },
};

interface Round {
  readonly idleRate: number;
  readonly without: LoadFigures;
  readonly beside: LoadFigures;
  readonly slowestRate: number;
}

async function measure(bench: Bench, ours: OurDevice, disks: Disks, profile: Profile, depth: number): Promise<Outcome[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < bench.effort.rounds; round += 1) {
    rounds.push(await measureRound(bench, ours, disks, profile.speed, depth));
  }
  const figure = (of: (round: Round) => number): number[] => rounds.map(of);
  const outcome = (subject: string): string => `${profile.speed}, depth ${depth}: ${subject}`;
  return [
    compare({
      what: outcome('consumer'),
      unit: 'IOPS',
      ours: figure(({ beside }) => beside.iops),
      theirName: 'without copying',
      theirs: figure(({ without }) => without.iops),
      goal: profile.iops,
    }),
    compare({
      what: outcome('consumer p99'),
      unit: 'µs',
      ours: figure(({ beside }) => beside.p99Us),
      theirName: 'without copying',
      theirs: figure(({ without }) => without.p99Us),
      goal: profile.p99,
    }),
    compare({
      what: outcome('slowest copy'),
      unit: 'MB/s',
      ours: figure(({ slowestRate }) => slowestRate),
      theirName: 'idle',
      theirs: figure(({ idleRate }) => idleRate),
      goal: profile.copy,
    }),
  ];
}

async function measureRound(bench: Bench, ours: OurDevice, disks: Disks, speed: Speed, depth: number): Promise<Round> {
  await attach(ours, disks, speed);
  const idleRate = sizeBytes / 1000 / (await ours.copy());
  await ours.detach();

  const path = await attach(ours, disks, speed);
  const load: Load = { target: { kind: 'device', path }, depth, sizeBytes };
  const seconds = Math.min(bench.effort.loadSeconds, lastingSeconds(idleRate));
  const without = await runLoad(load, seconds);
  const [beside, slowestRate] = await Promise.all([runLoad(load, seconds), slowestCopy(ours, seconds)]);
  await ours.detach();
  return { idleRate, without, beside, slowestRate };
}

async function attach(ours: OurDevice, { source, destination }: Disks, speed: Speed): Promise<string> {
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  return (await ours.attach({ ...paths, frontend: 'fuse', speed })).name;
}

/** A load that is not longer than the copy beside it: fast disks are through sooner. */
function lastingSeconds(idleRate: number): number {
  return sizeBytes / 1e6 / (idleRate * copyShareMax) - loadWarmUpMs / 1000;
}

/** Starts the copy when the load is on; MB/s in its slowest interval until the load ends. */
async function slowestCopy(ours: OurDevice, seconds: number): Promise<number> {
  await sleep(loadWarmUpMs);
  await ours.startCopy();
  let slowest = Number.POSITIVE_INFINITY;
  let before = await ours.progress();
  const endMs = before.timeMs + seconds * 1000;
  while (before.timeMs + rateIntervalMs < endMs) {
    await sleep(rateIntervalMs);
    const now = await ours.progress();
    slowest = Math.min(slowest, (now.copiedBytes - before.copiedBytes) / 1000 / (now.timeMs - before.timeMs));
    before = now;
  }
  if (!before.isCopying) throw new Error('the copy ended before the load did: its disks are too small for this machine');
  return slowest;
}
