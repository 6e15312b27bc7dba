/**
 * A disk of 16 TiB: how long until a job stands, serves both ends of it and rests, and what the flags of it
 * all take. The disks are sparse files; what was copied until the pause stays in memory until the benchmark
 * ends.
 */
import { open } from 'node:fs/promises';
import { pageBytes } from '../../../app/base/buffer-pool.ts';
import { blockBytes, mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { scoped } from '../benchmark.ts';
import { writeSparsely } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import { bareDevice, OurJob } from '../our-job.ts';
import type { Outcome } from '../outcome.ts';
import { holdAgainst } from '../outcome.ts';
import type { Disks } from '../peers/copy-tools.ts';

const tebibyte = 1024 * 1024 * mebibyte;
const sizeBytes = 16 * tebibyte;
const secondsMax = 2;
/** Two bits per block. */
const flagMebibytes = 64 * (sizeBytes / tebibyte);
/** What one page of a map speaks for. */
const bytesPerFlagPage = pageBytes * 8 * blockBytes;

export const largeDisk: Benchmark = {
  name: 'large-disk',
  title: 'a disk of 16 TiB',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const seconds: number[] = [];
    for (let round = 0; round < bench.effort.rounds; round += 1) {
      seconds.push(await scoped(bench, async (part) => secondsUntilPaused(part, await makeDisks(part))));
    }
    const goal = { kind: 'at-most', ratio: 1 } as const;
    const { all, flags } = await scoped(bench, async (part) =>
      residentMebibytes(part, await makeDisks(part)),
    );
    return [
      holdAgainst(secondsMax, {
        what: 'planned, attached, served at both ends, paused',
        unit: 's',
        ours: seconds,
        goal,
      }),
      holdAgainst(flagMebibytes, {
        what: 'memory of its flags, every page touched',
        unit: 'MiB',
        ours: [flags],
        goal,
      }),
      holdAgainst(flagMebibytes, { what: 'memory of the process', unit: 'MiB', ours: [all], goal: null }),
    ];
  },
};

async function makeDisks(bench: Bench): Promise<Disks> {
  const disk = (name: string) => makeDisk(bench, name, sizeBytes, 'sparse');
  return { source: await disk('source'), destination: await disk('destination') };
}

async function secondsUntilPaused(bench: Bench, disks: Disks): Promise<number> {
  const startedMs = performance.now();
  const job = OurJob.start(bench, disks, bareDevice);
  const device = await job.attached();
  await useBothEnds(device);
  await job.ask('pause');
  const seconds = (performance.now() - startedMs) / 1000;
  await job.undo();
  return seconds;
}

async function useBothEnds(device: string): Promise<void> {
  const file = await open(device, 'r+');
  try {
    for (const position of [0, sizeBytes - sectorBytes]) {
      await file.read(Buffer.alloc(sectorBytes), 0, sectorBytes, position);
      await file.write(Buffer.alloc(sectorBytes, 0xd1), 0, sectorBytes, position);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

interface Resident {
  /** The whole process. */
  readonly all: number;
  /** What came with the flags. */
  readonly flags: number;
}

/** One write per page of the maps touches both of them: what crossed and what was written. */
async function residentMebibytes(bench: Bench, { source, destination }: Disks): Promise<Resident> {
  const ours = OurDevice.start(bench);
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  const { name } = await ours.attach({ ...paths, frontend: 'nbd-socket', speed: 'balanced' });
  const load = { target: { kind: 'nbd', uri: name }, depth: 32 } as const;
  // Buffers and code are used for the first time here, in the reach of one page of flags.
  await writeSparsely({ ...load, sizeBytes: bytesPerFlagPage }, 4 * blockBytes);
  const before = await ours.residentBytes();
  await writeSparsely({ ...load, sizeBytes }, bytesPerFlagPage);
  const all = await ours.residentBytes();
  await checkThatAllWereTouched(ours);
  await ours.detach();
  return { all: all / mebibyte, flags: (all - before) / mebibyte };
}

async function checkThatAllWereTouched(ours: OurDevice): Promise<void> {
  const { writtenBytes } = await ours.progress();
  if (writtenBytes < (sizeBytes / bytesPerFlagPage) * blockBytes)
    throw new Error('not every page of flags was touched');
}
