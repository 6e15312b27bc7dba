/**
 * npm run bench [-- --only NAME] [--quick] [--json]
 *
 * Measures what speed, time and memory Diskferry promises, beside the programs that it is held against, in one run.
 * A missed goal is marked and is no failure; a benchmark that breaks is. Needs root, and uses nothing but loop
 * devices over files that it makes and removes.
 */
import { statfs } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../../app/base/error.ts';
import { ReleaseStack } from '../../app/base/release.ts';
import { gibibyte } from '../../app/base/units.ts';
import { scoped } from './benchmark.ts';
import type { Benchmark, Effort } from './benchmark.ts';
import { verdictOn } from './outcome.ts';
import type { Outcome } from './outcome.ts';
import { toJson, toTable } from './report.ts';
import { besideConsumer } from './rows/beside-consumer.ts';
import { bulkCopy } from './rows/bulk-copy.ts';
import { deviceUp } from './rows/device-up.ts';
import { fullExt4 } from './rows/full-ext4.ts';
import { fullSpeed } from './rows/full-speed.ts';

const benchmarks: readonly Benchmark[] = [bulkCopy, fullExt4, deviceUp, fullSpeed, besideConsumer];

/** The largest benchmark's disks and what others may need meanwhile. */
const roomBytes = 10 * gibibyte;
const memoryDirectory = '/dev/shm';

const exitCodes = { done: 0, broken: 1, usage: 2, interrupted: 130 } as const;

const fullEffort: Effort = { rounds: 5, loadSeconds: 3 };
const quickEffort: Effort = { rounds: 3, loadSeconds: 1 };

const say = (text: string): void => void process.stderr.write(text);

/** What the benchmark under way holds, for Ctrl-C. */
const held = new ReleaseStack();

async function placeForDisks(): Promise<string> {
  const { bavail, bsize } = await statfs(memoryDirectory);
  return bavail * bsize >= roomBytes ? memoryDirectory : tmpdir();
}

async function runOne(benchmark: Benchmark, effort: Effort): Promise<readonly Outcome[]> {
  try {
    return await scoped({ effort, directory: await placeForDisks(), held }, (bench) => benchmark.run(bench));
  } catch (error) {
    say(`${benchmark.name} broke\n`);
    throw error;
  }
}

async function runAll(chosen: readonly Benchmark[], effort: Effort, asJson: boolean): Promise<void> {
  let missed = 0;
  for (const benchmark of chosen) {
    say(`\n${benchmark.title} (load of the machine: ${loadavg().map((load) => load.toFixed(1)).join(' ')})\n`);
    const outcomes = await runOne(benchmark, effort);
    missed += outcomes.filter((outcome) => verdictOn(outcome) === 'missed').length;
    const text = asJson ? outcomes.map((one) => `${toJson(benchmark.name, one)}\n`).join('') : toTable(outcomes);
    process.stdout.write(text);
  }
  say(`\n${missed === 0 ? 'every goal is reached' : `${missed} missed`}\n`);
}

async function interrupt(): Promise<void> {
  say('\ninterrupted: putting everything away\n');
  await held.releaseAll();
  process.exit(exitCodes.interrupted);
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'boolean' } },
});
const chosen = benchmarks.filter(({ name }) => values.only === undefined || name === values.only);

if (chosen.length === 0) {
  say(`--only ${String(values.only)}: must be one of ${benchmarks.map(({ name }) => name).join(', ')}\n`);
  process.exitCode = exitCodes.usage;
} else if (process.getuid?.() !== 0) {
  say('the benchmarks make loop devices and mount file systems: run them as root\n');
  process.exitCode = exitCodes.usage;
} else {
  process.once('SIGINT', () => void interrupt());
  process.once('SIGTERM', () => void interrupt());
  try {
    await runAll(chosen, values.quick === true ? quickEffort : fullEffort, values.json === true);
  } catch (error) {
    say(`${error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error)}\n`);
    process.exitCode = exitCodes.broken;
  }
}
