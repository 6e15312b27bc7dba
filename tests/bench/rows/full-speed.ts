/**
 * Moving at full speed under a busy consumer: how much longer it takes than with nobody there, and what it
 * leaves to the consumer, beside QEMU's mirror in both of its modes.
 */
import { gibibyte } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import { scoped } from '../benchmark.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import type { Load, UnderLoad } from '../fio.ts';
import { underLoad } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import { paired } from '../paired.ts';
import type { Disks } from '../peers/copy-tools.ts';
import type { MirrorMode } from '../peers/qemu-storage-daemon.ts';
import { QemuStorageDaemon } from '../peers/qemu-storage-daemon.ts';

const sizeBytes = 2 * gibibyte;
const depths = [1, 32] as const;
/**
 * A mirror that has not come to its end by then is broken off; the consumer's figures are those up to there.
 */
const mirrorMsMax = 8000;

export const fullSpeed: Benchmark = {
  name: 'full-speed',
  title: 'moving 2 GiB at full speed under 4 KiB random, 70 % reads',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const source = await makeDisk(bench, 'source', sizeBytes, 'random');
    const destination = await makeDisk(bench, 'destination', sizeBytes, 'zeroes');
    const disks: Disks = { source, destination };
    const outcomes: Outcome[] = [];
    for (const depth of depths) outcomes.push(...(await measureAt(depth, bench, disks)));
    return outcomes;
  },
};

async function measureAt(depth: number, bench: Bench, disks: Disks): Promise<Outcome[]> {
  const ours = OurDevice.start(bench);
  const loadedSeconds: number[] = [];
  const figures = await paired(bench, {
    idleSeconds: async () => (await moveIdle(ours, disks)) / 1000,
    ours: async () => {
      const { result: copyMs, iops } = await moveUnderLoad(bench, ours, disks, depth);
      loadedSeconds.push(copyMs / 1000);
      return iops;
    },
    background: async () => (await mirrorUnderLoad(bench, disks, depth, 'background')).iops,
    writeBlocking: async () => (await mirrorUnderLoad(bench, disks, depth, 'write-blocking')).iops,
  });
  const time = { what: `depth ${depth}: time`, unit: 's', ours: loadedSeconds } as const;
  const consumer = { what: `depth ${depth}: consumer`, unit: 'IOPS', ours: figures.ours } as const;
  const five = { kind: 'at-least', ratio: 5 } as const;
  return [
    compare({
      ...time,
      theirName: 'ours idle',
      theirs: figures.idleSeconds,
      goal: { kind: 'at-most', ratio: 1.3 },
    }),
    compare({ ...consumer, theirName: 'qemu mirror, background', theirs: figures.background, goal: five }),
    compare({
      ...consumer,
      theirName: 'qemu mirror, write-blocking',
      theirs: figures.writeBlocking,
      goal: five,
    }),
  ];
}

async function attach(ours: OurDevice, { source, destination }: Disks): Promise<string> {
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  return (await ours.attach({ ...paths, frontend: 'fuse', speed: 'full' })).name;
}

async function moveIdle(ours: OurDevice, disks: Disks): Promise<number> {
  await attach(ours, disks);
  const elapsedMs = await ours.copy();
  await ours.detach();
  return elapsedMs;
}

async function moveUnderLoad(
  bench: Bench,
  ours: OurDevice,
  disks: Disks,
  depth: number,
): Promise<UnderLoad<number>> {
  const path = await attach(ours, disks);
  const load: Load = { target: { kind: 'device', path }, depth, sizeBytes };
  const moved = await underLoad(bench, load, () => ours.copy());
  await ours.detach();
  return moved;
}

/**
 * Over NBD, because QEMU's FUSE export forbids a mirror ("permissions 'resize'"). A daemon for each run, so
 * that no run inherits anything.
 */
function mirrorUnderLoad(
  bench: Bench,
  disks: Disks,
  depth: number,
  mode: MirrorMode,
): Promise<UnderLoad<boolean>> {
  return scoped(bench, async (part) => {
    const qemu = await QemuStorageDaemon.start(part, disks);
    const load: Load = { target: { kind: 'nbd', uri: (await qemu.exportNbd(part)).uri }, depth, sizeBytes };
    return underLoad(part, load, () => qemu.mirror(mode, mirrorMsMax));
  });
}
