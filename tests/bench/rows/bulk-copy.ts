/**
 * A disk full of random data, nobody using it: how fast it crosses, beside the fastest programs that only
 * copy. Ours is the time from the start of the copy until everything is durable, with the virtual device
 * attached and idle.
 */
import { gibibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { makeDisk } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import { highest, paired } from '../paired.ts';
import type { CopyTool, Disks } from '../peers/copy-tools.ts';
import { dd, ddrescue, qemuImg, timeMs } from '../peers/copy-tools.ts';

const sizeBytes = 2 * gibibyte;
const peers = ['dd', 'qemu-img', 'ddrescue'] as const;

export const bulkCopy: Benchmark = {
  name: 'bulk-copy',
  title: 'bulk copy of 2 GiB of random data',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const source = await makeDisk(bench, 'source', sizeBytes, 'random');
    const destination = await makeDisk(bench, 'destination', sizeBytes, 'zeroes');
    const disks: Disks = { source, destination };
    const ours = OurDevice.start(bench);
    const rate = (elapsedMs: number): number => sizeBytes / 1000 / elapsedMs;
    const by = (tool: CopyTool) => async () => rate(await timeMs(() => tool(disks)));

    const figures = await paired(bench, {
      ours: async () => rate(await moveIdle(ours, disks)),
      dd: by(dd),
      'qemu-img': by(qemuImg),
      ddrescue: by(ddrescue),
    });
    await moveIdle(ours, disks);
    await runCommand('cmp', [source.path, destination.path], 'comparing the disks');

    const fastest = highest(figures, peers);
    const goal = (peer: string) => (peer === fastest ? ({ kind: 'at-least', ratio: 0.95 } as const) : null);
    return peers.map((peer) =>
      compare({
        what: 'copy',
        unit: 'MB/s',
        ours: figures.ours,
        theirName: peer,
        theirs: figures[peer],
        goal: goal(peer),
      }),
    );
  },
};

async function moveIdle(ours: OurDevice, { source, destination }: Disks): Promise<number> {
  await ours.attach({
    sourcePath: source.path,
    destinationPath: destination.path,
    frontend: 'fuse',
    speed: 'full',
  });
  const elapsedMs = await ours.copy();
  await ours.detach();
  return elapsedMs;
}
