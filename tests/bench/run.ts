/**
 * npm run bench [-- --guest] [--only NAME] [--quick] [--json]
 *
 * Measures what speed, time and memory Diskferry promises, beside the programs that it is held against, in
 * one run. A missed goal is marked and is no failure; a benchmark that breaks is. Needs root, and uses
 * nothing but loop devices over files that it makes and removes. With --guest: what needs device-mapper, ublk
 * and nbd, in a virtual machine whose kernel has them.
 */
import { statfs } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../../app/base/error.ts';
import { gibibyte } from '../../app/base/units.ts';
import { scoped } from './benchmark.ts';
import type { Bench, Benchmark, Effort } from './benchmark.ts';
import { benchInGuest } from './guest/boot-guest.ts';
import { moving } from './guest/rows/moving.ts';
import { pauses } from './guest/rows/pauses.ts';
import { verdictOn } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import { standingsToJson, standingsToTable, toJson, toTable } from './report.ts';
import { besideConsumer, besideFileSystem } from './rows/beside-consumer.ts';
import { bulkCopy } from './rows/bulk-copy.ts';
import { deviceUp } from './rows/device-up.ts';
import { flushLatency } from './rows/flush-latency.ts';
import { fullExt4 } from './rows/full-ext4.ts';
import { fullSpeed } from './rows/full-speed.ts';
import { largeDisk } from './rows/large-disk.ts';
import { nbdSocket } from './rows/nbd-socket.ts';
import { wizard } from './rows/wizard.ts';

const benchmarks: readonly Benchmark[] = [
  bulkCopy,
  fullExt4,
  deviceUp,
  nbdSocket,
  flushLatency,
  largeDisk,
  fullSpeed,
  besideConsumer,
  besideFileSystem,
  wizard,
];

const guestBenchmarks: readonly Benchmark[] = [...moving, pauses];
const isInGuest = process.env['DISKFERRY_GUEST'] !== undefined;

/** The largest benchmark's disks and what others may need meanwhile. */
const roomBytes = 10 * gibibyte;
const memoryDirectory = '/dev/shm';

const exitCodes = { done: 0, broken: 1, usage: 2, interrupted: 130 } as const;

const fullEffort: Effort = { rounds: 5, loadSeconds: 3, wizardSeconds: 600 };
const quickEffort: Effort = { rounds: 3, loadSeconds: 1, wizardSeconds: 60 };
/** Where every instruction is translated. */
const fullGuestEffort: Effort = { rounds: 3, loadSeconds: 3, wizardSeconds: 600 };
const quickGuestEffort: Effort = { rounds: 1, loadSeconds: 1, wizardSeconds: 60 };

const interruption = new AbortController();

const say = (text: string): void => void process.stderr.write(text);

async function placeForDisks(): Promise<string> {
  const { bavail, bsize } = await statfs(memoryDirectory);
  // A guest's disks are none of files, and everything else there lies on an overlay.
  if (isInGuest) return memoryDirectory;
  return bavail * bsize >= roomBytes ? memoryDirectory : tmpdir();
}

async function runOne(benchmark: Benchmark, effort: Effort, asJson: boolean): Promise<readonly Outcome[]> {
  try {
    const show: Bench['show'] = (standings) =>
      void process.stdout.write(
        asJson ? standingsToJson(benchmark.name, standings) : `${standingsToTable(standings)}\n`,
      );
    const setting = { effort, directory: await placeForDisks(), interrupted: interruption.signal, show };
    return await scoped(setting, (bench) => benchmark.run(bench));
  } catch (error) {
    if (!interruption.signal.aborted) say(`${benchmark.name} broke\n`);
    throw error;
  }
}

async function runAll(chosen: readonly Benchmark[], effort: Effort, asJson: boolean): Promise<void> {
  let missed = 0;
  for (const benchmark of chosen) {
    say(
      `\n${benchmark.title} (load of the machine: ${loadavg()
        .map((load) => load.toFixed(1))
        .join(' ')})\n`,
    );
    const outcomes = await runOne(benchmark, effort, asJson);
    missed += outcomes.filter((outcome) => verdictOn(outcome) === 'missed').length;
    const text = asJson
      ? outcomes.map((one) => `${toJson(benchmark.name, one)}\n`).join('')
      : toTable(outcomes);
    process.stdout.write(text);
  }
  say(`\n${missed === 0 ? 'every goal is reached' : `${missed} missed`}\n`);
}

/**
 * The benchmark under way finishes its step, gives up, and puts away what it made as it does at its end:
 * once, in order.
 */
function interrupt(): void {
  if (interruption.signal.aborted) return;
  say('\ninterrupted: putting everything away, within seconds\n');
  interruption.abort(new Error('interrupted'));
}

const { values } = parseArgs({
  options: {
    guest: { type: 'boolean', default: false },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const chosen = (values.guest ? guestBenchmarks : benchmarks).filter(
  ({ name }) => values.only === undefined || name === values.only,
);

async function measureAll(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  await runAll(chosen, effortFor(values), values.json);
}

function effortFor({ guest, quick }: { readonly guest: boolean; readonly quick: boolean }): Effort {
  if (guest) return quick ? quickGuestEffort : fullGuestEffort;
  return quick ? quickEffort : fullEffort;
}

if (chosen.length === 0) {
  const names = (values.guest ? guestBenchmarks : benchmarks).map(({ name }) => name);
  say(`--only ${String(values.only)}: must be one of ${names.join(', ')}\n`);
  process.exitCode = exitCodes.usage;
} else if (process.getuid?.() !== 0) {
  say('the benchmarks make loop devices and mount file systems: run them as root\n');
  process.exitCode = exitCodes.usage;
} else {
  try {
    if (values.guest && !isInGuest) process.exitCode = await benchInGuest(process.argv.slice(2), values.json);
    else await measureAll();
  } catch (error) {
    if (error !== interruption.signal.reason)
      say(`${error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error)}\n`);
    process.exitCode = interruption.signal.aborted ? exitCodes.interrupted : exitCodes.broken;
  }
}
