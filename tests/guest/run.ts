/**
 * `npm run test:guest`: runs the tests of this folder, or a command, as root in a guest of each kind, one
 * after the other. The guests see the host's files (this repository, its build, Node) read-only under an
 * overlay. Its last line counts tests, or commands, over all guests.
 *
 * A guest is an emulated machine, which can fail where a real one would not. So files whose tests have failed,
 * and all of them when the guest has died, run once more in a fresh boot; what passes then is named as
 * unsteady. What fails twice has failed.
 *
 * tsx tests/guest/run.ts [--guest user-mode-linux|qemu|systemd|reset]… [--seconds N] [--memory MIB] [TEST-FILE… |
 * -- COMMAND…]
 */
import { execFile } from 'node:child_process';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../app/base/error.ts';
import { bundlePrograms } from '../bundled-program.ts';
import { addOutcome, countsText, failure, noOutcome, readFiles, secondRun, sumOf } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { boot } from './boot.ts';
import { environmentOf } from './environment.ts';
import type { GuestKind } from './guest-kind.ts';
import type { GuestResult } from './job.ts';
import { qemu } from './qemu.ts';
import { reset, systemd } from './systemd.ts';
import { userModeLinux } from './user-mode-linux.ts';

const root = resolve(import.meta.dirname, '../..');
const kinds: readonly GuestKind[] = [userModeLinux, qemu, systemd, reset];

const separator = process.argv.indexOf('--', 2);
const command = separator < 0 ? [] : process.argv.slice(separator + 1);
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, separator < 0 ? undefined : separator),
  allowPositionals: true,
  options: {
    guest: { type: 'string', multiple: true, default: kinds.map(({ name }) => name) },
    seconds: { type: 'string', default: '900' },
    memory: { type: 'string', default: '2048' },
  },
});

const vitest = [
  ...[process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'guest'],
  ...['--reporter=default', '--reporter=json'],
];
/** Only in the guest is it known where its job's directory is. */
const testCommand = ['bash', '-c', 'exec "$@" --outputFile.json="$GUEST_JOB/report.json"', 'bash', ...vitest];

const transformMsMax = 180_000;

interface Attempt {
  /** Of the files that need no second run. */
  readonly settled: Outcome;
  /** Of the others, as far as is known. */
  readonly open: Outcome;
  /** Those others, as Vitest's filters; none when all is settled. */
  readonly again: readonly string[];
}

/** Without a report, or when no test has failed and the run has, nothing is settled. */
function attemptOf({ name }: GuestKind, tests: readonly string[], { exitCode, report }: GuestResult): Attempt {
  const [settled, open] = [noOutcome(), noOutcome()];
  if (report === undefined) {
    const why = `it made no report and ended with exit code ${exitCode}`;
    return { settled, open: failure(name, why), again: tests };
  }
  const files = readFiles(report);
  const whole = sumOf(name, files, exitCode);
  const failed = files.filter(({ outcome }) => outcome.failed > 0);
  if (whole.failed === 0) return { settled: whole, open, again: [] };
  if (failed.length === 0) return { settled, open: whole, again: tests };
  for (const { outcome } of files) addOutcome(outcome.failed > 0 ? open : settled, outcome);
  return { settled, open, again: failed.map(({ file }) => relative(root, file)) };
}

/** Has the host transform what the guests will load: they find it by its content. All works without, too. */
function transformModules(): Promise<void> {
  const list = [join(root, 'node_modules/vitest/vitest.mjs'), 'list', '--project', 'guest'];
  const env = { ...process.env, DISKFERRY_GUEST: 'none' };
  return new Promise((resolve) => {
    execFile(process.execPath, list, { cwd: root, env, timeout: transformMsMax }, () => resolve());
  });
}

async function attempt(kind: GuestKind, tests: readonly string[]): Promise<Attempt> {
  try {
    return attemptOf(kind, tests, await bootFor(kind, [...testCommand, ...tests]));
  } catch (error) {
    return { settled: noOutcome(), open: failure(kind.name, messageOf(error)), again: tests };
  }
}

async function runTests(kind: GuestKind, tests: readonly string[]): Promise<Outcome> {
  const first = await attempt(kind, tests);
  if (first.again.length === 0) return first.settled;
  for (const text of first.open.failures) console.log(text.replace(/^failed:/, 'at the first run failed:'));
  console.log(`── guest ${kind.name}, once more: ${first.again.join(' ')}`);
  const second = await attempt(kind, first.again);
  addOutcome(second.settled, second.open);
  const total = first.settled;
  addOutcome(total, secondRun(first.open, second.settled));
  return total;
}

async function runIn(kind: GuestKind): Promise<Outcome> {
  const missing = kind.missing();
  if (missing !== undefined) {
    console.log(`skipped: ${kind.name}: it needs ${missing}`);
    return { ...noOutcome(), skipped: 1 };
  }
  if (command.length === 0) return runTests(kind, positionals.length > 0 ? positionals : kind.tests);
  const { exitCode } = await bootFor(kind, command);
  return exitCode === 0 ? { ...noOutcome(), passed: 1 } : failure(command.join(' '));
}

async function bootFor(kind: GuestKind, job: readonly string[]): Promise<GuestResult> {
  const startMs = performance.now();
  const result = await boot(kind, {
    command: job,
    environment: environmentOf(kind),
    workingDirectory: root,
    secondsMax: Number(values.seconds),
    memoryMib: Number(values.memory),
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(
    `${kind.name}: Linux ${result.kernelRelease}, booted in ${result.bootSeconds} s, ${seconds} s in all, ` +
      `exit code ${result.exitCode}; modules: ${result.modules.join(' ')}`,
  );
  return result;
}

/** A guest that cannot be booted or ends early is one failure, and does not keep the other from running. */
async function countIn(kind: GuestKind): Promise<Outcome> {
  try {
    return await runIn(kind);
  } catch (error) {
    return failure(kind.name, messageOf(error));
  }
}

async function main(): Promise<void> {
  const chosen = kinds.filter(({ name }) => values.guest.includes(name));
  if (chosen.length < values.guest.length)
    throw new Error(
      `--guest ${values.guest.join(' ')}: must be ${kinds.map(({ name }) => name).join(' or ')}`,
    );
  if (command.length === 0) await Promise.all([transformModules(), bundlePrograms()]);
  const total = noOutcome();
  for (const kind of chosen) {
    console.log(`── guest ${kind.name}`);
    const outcome = await countIn(kind);
    for (const text of [...outcome.failures, ...outcome.unsteady]) console.log(text);
    addOutcome(total, outcome);
  }
  console.log(countsText(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main();
