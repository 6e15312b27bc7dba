/**
 * Moving a busy volume, with Diskferry and with the others: how long the copy takes, what the consumer has of
 * the volume meanwhile, for how long it stands still, and what it has when everything has crossed and nobody
 * has cut over yet. The floor is the volume as it lies there, a plain linear device.
 */
import { present } from '../../../../app/base/error.ts';
import { mebibyte } from '../../../../app/base/units.ts';
import type { Bench, Benchmark } from '../../benchmark.ts';
import type { RecordedFigures } from '../../load-record.ts';
import type { Goal, Outcome } from '../../outcome.ts';
import { compare, holdAgainst } from '../../outcome.ts';
import { paired } from '../../paired.ts';
import type { Figure, Standing } from '../../standing.ts';
import type { Sample } from '../../statistics.ts';
import { sampleOf } from '../../statistics.ts';
import type { Run } from '../contest.ts';
import { Contest } from '../contest.ts';
import { MovedVolume } from '../moved-volume.ts';
import type { Mover } from '../mover.ts';
import { diskferry } from '../movers/diskferry.ts';
import { dmClone } from '../movers/dm-clone.ts';
import { dmMirror } from '../movers/dm-mirror.ts';
import { pvmove } from '../movers/pvmove.ts';
import { qemuNbd } from '../movers/qemu-nbd.ts';
import { makeDiskPair } from '../scsi-disks.ts';

const diskMebibytes = 256;
/** A copy that is not through by then does not finish. */
const copySecondsMax = 20;
const floorName = 'dm-linear, at rest';

const below: Goal = { kind: 'below', ratio: 1 };
const asTheFloor: Goal = { kind: 'at-least', ratio: 0.97 };
const threefold: Goal = { kind: 'at-least', ratio: 3 };

const settings = [
  { depth: 1, delayUs: 100 },
  { depth: 32, delayUs: 0 },
] as const;

export const moving: readonly Benchmark[] = settings.map(({ depth, delayUs }) => ({
  name: `moving-depth-${depth}`,
  title: `moving ${diskMebibytes} MiB below 4 KiB random, 70 % reads, depth ${depth}, on scsi_debug with a delay of ${delayUs} µs`,

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const disks = await makeDiskPair(bench, { sizeBytes: diskMebibytes * mebibyte, delayUs });
    const volume = await MovedVolume.make(bench, disks);
    const contest = new Contest(bench, { volume, depth, copyMsMax: copySecondsMax * 1000 });
    const by = (mover: Mover) => (): Promise<Run> => contest.move(mover);
    const { floor, ...runs } = await paired(bench, {
      floor: () => contest.rest(),
      ublk: by(diskferry('ublk')),
      nbd: by(diskferry('nbd')),
      clone64k: by(dmClone(64)),
      clone4k: by(dmClone(4)),
      mirror: by(dmMirror),
      pvmove: by(pvmove),
      qemu: by(qemuNbd),
    });
    bench.show([floorStanding(floor), ...Object.values(runs).map(standingOf)]);
    return [runs.ublk, runs.nbd].flatMap((ours) => outcomesOf(ours, depth, { floor, ...runs }));
  },
}));

type Rivals = Readonly<Record<'clone64k' | 'mirror' | 'qemu', readonly Run[]>> & {
  readonly floor: readonly RecordedFigures[];
};

/** Those of p99 are for full queues, where a copy is in the way of many. */
function outcomesOf(
  ours: readonly Run[],
  depth: number,
  { floor, clone64k, mirror, qemu }: Rivals,
): Outcome[] {
  const name = nameOf(ours);
  const iops = (runs: readonly Run[]): number[] => runs.map(({ copying }) => copying.iops);
  const p99 = (runs: readonly Run[]): number[] => runs.map(({ copying }) => copying.p99Us);
  const rivals = depth === 1 ? [] : [clone64k, qemu, mirror];
  return [
    holdAgainst(copySecondsMax, {
      what: `${name}: copy`,
      unit: 's',
      ours: ours.map(({ copySeconds }) => copySeconds),
      goal: below,
    }),
    ...rivals.map((theirs) =>
      compare({
        what: `${name}: p99 during the copy`,
        unit: 'µs',
        ours: p99(ours),
        theirName: nameOf(theirs),
        theirs: p99(theirs),
        goal: below,
      }),
    ),
    compare({
      what: `${name}: consumer during the copy`,
      unit: 'IOPS',
      ours: iops(ours),
      theirName: nameOf(qemu),
      theirs: iops(qemu),
      goal: threefold,
    }),
    compare({
      what: `${name}: consumer when all has crossed`,
      unit: 'IOPS',
      ours: ours.map(({ synchronized }) => synchronized.iops),
      theirName: floorName,
      theirs: floor.map((figures) => figures.iops),
      goal: asTheFloor,
    }),
  ];
}

function nameOf([run]: readonly Run[]): string {
  return present(run, 'a round').mover;
}

function standingOf(runs: readonly Run[]): Standing {
  const of = (figure: (run: Run) => number): Sample => sampleOf(runs.map(figure));
  const finished = runs.every((run) => run.finished);
  return {
    contestant: nameOf(runs),
    figures: [
      ['copy', 's', finished ? of(({ copySeconds }) => copySeconds) : `did not finish in ${copySecondsMax}`],
      ['whole job', 's', of(({ wholeSeconds }) => wholeSeconds)],
      ...consumerFigures(runs.map(({ copying }) => copying)),
      ['at start', 'ms', of(({ startStallMs }) => startStallMs)],
      ['at cut-over', 'ms', of(({ cutOverStallMs }) => cutOverStallMs)],
      ['when all has crossed', 'IOPS', of(({ synchronized }) => synchronized.iops)],
    ],
  };
}

function floorStanding(runs: readonly RecordedFigures[]): Standing {
  const none = '–';
  return {
    contestant: floorName,
    figures: [
      ['copy', 's', none],
      ['whole job', 's', none],
      ...consumerFigures(runs),
      ['at start', 'ms', none],
      ['at cut-over', 'ms', none],
      ['when all has crossed', 'IOPS', none],
    ],
  };
}

function consumerFigures(runs: readonly RecordedFigures[]): Figure[] {
  const of = (figure: (run: RecordedFigures) => number): Sample => sampleOf(runs.map(figure));
  return [
    ['consumer', 'IOPS', of(({ iops }) => iops)],
    ['p50', 'µs', of(({ p50Us }) => p50Us)],
    ['p99', 'µs', of(({ p99Us }) => p99Us)],
    ['longest', 'ms', of(({ longestMs }) => longestMs)],
  ];
}
