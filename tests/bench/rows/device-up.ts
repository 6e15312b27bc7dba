/**
 * The virtual device while nothing is copied, as a block device over FUSE: what standing in the way costs a
 * consumer, beside another daemon in the same place and beside the least that any daemon in that place can
 * do.
 */
import { gibibyte } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { runLoad } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Goal, Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import { paired } from '../paired.ts';
import { startNullFuse } from '../peers/null-fuse.ts';
import { QemuStorageDaemon } from '../peers/qemu-storage-daemon.ts';

const sizeBytes = gibibyte;

const goals: readonly { readonly depth: number; readonly qemu: Goal; readonly nothing: Goal | null }[] = [
  { depth: 1, qemu: { kind: 'at-least', ratio: 1.5 }, nothing: null },
  { depth: 32, qemu: { kind: 'at-least', ratio: 2 }, nothing: { kind: 'at-least', ratio: 0.55 } },
];

export const deviceUp: Benchmark = {
  name: 'device-up',
  title: 'device up over FUSE, nothing copied: 4 KiB random, 70 % reads',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const disk = (name: string) => makeDisk(bench, name, sizeBytes, 'random');
    const theirs = { source: await disk('qemu-source'), destination: await disk('qemu-destination') };
    const [source, destination] = [await disk('source'), await disk('destination')];
    const setting = {
      sourcePath: source.path,
      destinationPath: destination.path,
      speed: 'balanced',
    } as const;
    const ours = (await OurDevice.start(bench).attach({ ...setting, frontend: 'fuse' })).name;
    const qemu = await (await QemuStorageDaemon.start(bench, theirs)).exportFuse(bench, sizeBytes);
    const nothing = await startNullFuse(bench, sizeBytes);

    const outcomes: Outcome[] = [];
    for (const { depth, qemu: qemuGoal, nothing: nothingGoal } of goals) {
      const on = (path: string) => async () =>
        (await runLoad({ target: { kind: 'device', path }, depth, sizeBytes }, bench.effort.loadSeconds))
          .iops;
      const figures = await paired(bench, { ours: on(ours), qemu: on(qemu), nothing: on(nothing) });
      const base = { what: `depth ${depth}`, unit: 'IOPS', ours: figures.ours } as const;
      outcomes.push(
        compare({ ...base, theirName: 'qemu-storage-daemon', theirs: figures.qemu, goal: qemuGoal }),
      );
      outcomes.push(
        compare({ ...base, theirName: 'null FUSE daemon', theirs: figures.nothing, goal: nothingGoal }),
      );
    }
    return outcomes;
  },
};
