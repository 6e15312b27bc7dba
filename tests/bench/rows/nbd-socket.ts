/**
 * The virtual device on an NBD socket while nothing is copied, beside two servers of one plain disk. All
 * three have loop disks alike under them. Ours and QEMU's go past the page cache; nbdkit's file plugin
 * cannot, and so it is ahead of the disk itself: whoever keeps up with it wastes nothing on the way from and
 * to the socket.
 */
import { gibibyte } from '../../../app/base/units.ts';
import { makeDisk } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { runLoad } from '../fio.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Goal, Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import { paired } from '../paired.ts';
import { startNbdkit } from '../peers/nbdkit.ts';
import { QemuStorageDaemon } from '../peers/qemu-storage-daemon.ts';

const sizeBytes = gibibyte;
const depths = [1, 32] as const;
const ahead: Goal = { kind: 'at-least', ratio: 1 };

export const nbdSocket: Benchmark = {
  name: 'nbd-socket',
  title: 'device up on an NBD socket, nothing copied: 4 KiB random, 70 % reads',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const disk = (name: string) => makeDisk(bench, name, sizeBytes, 'random');
    const theirs = { source: await disk('qemu-source'), destination: await disk('qemu-destination') };
    const [source, destination] = [await disk('source'), await disk('destination')];
    const setting = {
      sourcePath: source.path,
      destinationPath: destination.path,
      speed: 'balanced',
    } as const;
    const ours = (await OurDevice.start(bench).attach({ ...setting, frontend: 'nbd-socket' })).name;
    const qemu = (await (await QemuStorageDaemon.start(bench, theirs)).exportNbd(bench)).uri;
    const nbdkit = await startNbdkit(bench, await disk('nbdkit'));

    const outcomes: Outcome[] = [];
    for (const depth of depths) {
      const on = (uri: string) => async () =>
        (await runLoad({ target: { kind: 'nbd', uri }, depth, sizeBytes }, bench.effort.loadSeconds)).iops;
      const figures = await paired(bench, { ours: on(ours), qemu: on(qemu), nbdkit: on(nbdkit) });
      const base = { what: `depth ${depth}`, unit: 'IOPS', ours: figures.ours, goal: ahead } as const;
      outcomes.push(compare({ ...base, theirName: 'qemu-storage-daemon', theirs: figures.qemu }));
      outcomes.push(compare({ ...base, theirName: 'nbdkit file', theirs: figures.nbdkit }));
    }
    return outcomes;
  },
};
