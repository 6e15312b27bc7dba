/**
 * `npm run test:guest`: runs the tests of this folder, or a command, as root in a guest of each kind, one
 * after the other. The guests see the host's files (this repository, its build, Node) read-only under an
 * overlay. Its last line counts tests, or commands, over all guests.
 *
 * tsx tests/guest/run.ts [--guest user-mode-linux|qemu|systemd]… [--seconds N] [--memory MIB] [TEST-FILE… |
 * -- COMMAND…]
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../app/base/error.ts';
import { addOutcome, countsText, failure, noOutcome, readReport } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import { boot } from './boot.ts';
import { environmentOf } from './environment.ts';
import type { GuestKind } from './guest-kind.ts';
import type { GuestResult } from './job.ts';
import { qemu } from './qemu.ts';
import { systemd } from './systemd.ts';
import { userModeLinux } from './user-mode-linux.ts';

const root = resolve(import.meta.dirname, '../..');
const kinds: readonly GuestKind[] = [userModeLinux, qemu, systemd];

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

function outcomeOf({ name }: GuestKind, { exitCode, report }: GuestResult): Outcome {
  if (command.length > 0) return exitCode === 0 ? { ...noOutcome(), passed: 1 } : failure(command.join(' '));
  if (report === undefined) return failure(name, `it made no report and ended with exit code ${exitCode}`);
  return readReport(name, report, exitCode);
}

async function runIn(kind: GuestKind): Promise<Outcome> {
  const missing = kind.missing();
  if (missing !== undefined) {
    console.log(`skipped: ${kind.name}: it needs ${missing}`);
    return { ...noOutcome(), skipped: 1 };
  }
  const startMs = performance.now();
  const result = await boot(kind, {
    command:
      command.length > 0 ? command : [...testCommand, ...(positionals.length > 0 ? positionals : kind.tests)],
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
  return outcomeOf(kind, result);
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
  const total = noOutcome();
  for (const kind of chosen) {
    console.log(`── guest ${kind.name}`);
    const outcome = await countIn(kind);
    for (const text of outcome.failures) console.log(text);
    addOutcome(total, outcome);
  }
  console.log(countsText(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main();
