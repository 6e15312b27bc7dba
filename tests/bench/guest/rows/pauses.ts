/**
 * For how long a consumer stands still when Diskferry takes its place below the volume and when it leaves it,
 * per kind of volume. The consumer makes every small write durable, so that each of its requests has a flush
 * in it. What it may stand still at the most is one flush of the volume, taken beside the same consumer just
 * before, and a fixed time.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { present } from '../../../../app/base/error.ts';
import { mebibyte } from '../../../../app/base/units.ts';
import { runCommand } from '../../../../app/devices/command.ts';
import type { FileSystemType } from '../../../system/support/file-system.ts';
import { makeFileSystem, mount, unmount } from '../../../system/support/file-system.ts';
import type { Bench, Benchmark } from '../../benchmark.ts';
import { scoped } from '../../benchmark.ts';
import type { Load } from '../../fio.ts';
import { recordLoad } from '../../load-record.ts';
import { OurJob } from '../../our-job.ts';
import type { Outcome } from '../../outcome.ts';
import { compare } from '../../outcome.ts';
import type { Standing } from '../../standing.ts';
import { sampleOf } from '../../statistics.ts';
import type { DiskPair } from '../disk-pair.ts';
import { MovedVolume, untilBusy } from '../moved-volume.ts';
import { openVault } from '../vault.ts';
import { makeDiskPair } from '../scsi-disks.ts';

const diskMebibytes = 192;
/** XFS takes no less than 300, and Btrfs writes a file that is written again and again somewhere else each time. */
const largerMebibytes = 384;
const needLarger: readonly (FileSystemType | null)[] = ['xfs', 'btrfs'];
const fileBytes = 32 * mebibyte;
const beyondFlushMs = 200;
/** Requests that were held up are done within it. */
const settleMs = 1000;

interface Scene {
  readonly name: string;
  readonly makeVolume: (bench: Bench, disks: DiskPair) => Promise<Volume>;
  /** Null: the consumer uses the device itself. */
  readonly fileSystem: FileSystemType | null;
}

interface Volume {
  readonly path: string;
  readonly sizeBytes: number;
  /** What the command line needs besides. */
  readonly parameters: readonly string[];
}

async function logicalVolume(bench: Bench, disks: DiskPair): Promise<Volume> {
  const { path, sizeBytes } = await MovedVolume.make(bench, disks);
  return { path, sizeBytes, parameters: [] };
}

const scenes: readonly Scene[] = [
  { name: 'LVM', makeVolume: logicalVolume, fileSystem: null },
  { name: 'ext4 on LVM', makeVolume: logicalVolume, fileSystem: 'ext4' },
  { name: 'XFS on LVM', makeVolume: logicalVolume, fileSystem: 'xfs' },
  { name: 'Btrfs on LVM', makeVolume: logicalVolume, fileSystem: 'btrfs' },
  { name: 'ext4 in LUKS2', makeVolume: openVault, fileSystem: 'ext4' },
];

/** All in milliseconds. */
interface Round {
  readonly flush: number;
  readonly atStart: Stall;
  readonly atCutOver: Stall;
}

interface Stall {
  /** The longest of the consumer's requests. */
  readonly consumer: number;
  /** For how long the table's change held it up, as the job reports it. */
  readonly table: number;
}

export const pauses: Benchmark = {
  name: 'pauses',
  title: 'the consumer stands still while a volume moves live: small writes, each made durable',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const standings: Standing[] = [];
    for (const scene of scenes) {
      const rounds = await scoped(bench, (part) => roundsOf(part, scene));
      standings.push(standingOf(scene, rounds));
      outcomes.push(...outcomesOf(scene, rounds));
    }
    bench.show(standings);
    return outcomes;
  },
};

async function roundsOf(bench: Bench, { name, makeVolume, fileSystem }: Scene): Promise<Round[]> {
  const mebibytes = needLarger.includes(fileSystem) ? largerMebibytes : diskMebibytes;
  const disks = await makeDiskPair(bench, { sizeBytes: mebibytes * mebibyte, delayUs: 0 });
  const volume = await makeVolume(bench, disks);
  const load = await loadOn(bench, volume, fileSystem);
  const rounds: Round[] = [];
  for (let round = 0; round < bench.effort.rounds; round += 1) {
    bench.interrupted.throwIfAborted();
    rounds.push(await scoped(bench, (part) => moveOnce(part, { disks, volume, load })));
    await disks.haveSwapped();
    process.stderr.write(`  ${name}: moved\n`);
  }
  return rounds;
}

async function loadOn(
  bench: Bench,
  { path, sizeBytes }: Volume,
  fileSystem: FileSystemType | null,
): Promise<Load> {
  if (fileSystem === null) return { target: { kind: 'durable', path }, depth: 1, sizeBytes };
  await makeFileSystem(fileSystem, path);
  const directory = join(bench.directory, 'mounted');
  await runCommand('mkdir', [directory], 'making a mount point');
  await mount(path, directory);
  bench.held.add(directory, () => unmount(directory));
  const file = join(directory, 'file');
  await runCommand(
    'dd',
    ['if=/dev/zero', `of=${file}`, 'bs=1M', `count=${fileBytes / mebibyte}`, 'conv=fsync'],
    'making the file',
  );
  return { target: { kind: 'file', path: file }, depth: 1, sizeBytes: fileBytes };
}

interface Setting {
  readonly disks: DiskPair;
  readonly volume: Volume;
  readonly load: Load;
}

async function moveOnce(part: Bench, { disks, volume, load }: Setting): Promise<Round> {
  const { result, record } = await recordLoad(part, load, async () => {
    await untilBusy(volume.path);
    await sleep(settleMs);
    const flushMs = await flushTimeMs(volume.path);
    const startMs = Date.now();
    const parameters = ['--experimental-no-journal', ...volume.parameters];
    const job = OurJob.start(part, disks, { parameters, stateDirectory: disks.stateDirectory });
    await job.attached();
    const startedMs = Date.now() + settleMs;
    await job.synchronized();
    await sleep(settleMs);
    const cutOverMs = Date.now();
    const { interruptions } = await job.cutOver();
    await sleep(settleMs);
    const tableMs = (at: 'start' | 'cut-over'): number =>
      present(
        interruptions.find((one) => one.at === at),
        `a pause at the ${at}`,
      ).elapsedMs;
    return {
      flushMs,
      tableMs,
      start: { fromMs: startMs, toMs: startedMs },
      cutOver: { fromMs: cutOverMs, toMs: Date.now() },
    };
  });
  return {
    flush: result.flushMs,
    atStart: { consumer: record.during(result.start).longestMs, table: result.tableMs('start') },
    atCutOver: { consumer: record.during(result.cutOver).longestMs, table: result.tableMs('cut-over') },
  };
}

/** Of the device with what is still in its page cache, as a table's change flushes it. */
async function flushTimeMs(path: string): Promise<number> {
  const device = await open(path, 'r');
  try {
    const startedMs = performance.now();
    await device.sync();
    return performance.now() - startedMs;
  } finally {
    await device.close();
  }
}

function standingOf({ name }: Scene, rounds: readonly Round[]): Standing {
  const ms = (figure: (round: Round) => number) => ['ms', sampleOf(rounds.map(figure))] as const;
  return {
    contestant: name,
    figures: [
      ['one flush', ...ms(({ flush }) => flush)],
      ['table at start', ...ms(({ atStart }) => atStart.table)],
      ['consumer at start', ...ms(({ atStart }) => atStart.consumer)],
      ['table at cut-over', ...ms(({ atCutOver }) => atCutOver.table)],
      ['consumer at cut-over', ...ms(({ atCutOver }) => atCutOver.consumer)],
    ],
  };
}

function outcomesOf({ name }: Scene, rounds: readonly Round[]): Outcome[] {
  const base = {
    unit: 'ms',
    theirName: `one flush and ${beyondFlushMs}`,
    theirs: rounds.map(({ flush }) => flush + beyondFlushMs),
    goal: { kind: 'at-most', ratio: 1 },
  } as const;
  return [
    compare({
      ...base,
      what: `${name}: longest stall at the start`,
      ours: rounds.map(({ atStart }) => atStart.consumer),
    }),
    compare({
      ...base,
      what: `${name}: longest stall at the cut-over`,
      ours: rounds.map(({ atCutOver }) => atCutOver.consumer),
    }),
  ];
}
