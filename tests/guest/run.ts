/**
 * `npm run test:guest`: runs the tests of this folder, or a command, as root in a guest of each kind, one
 * after the other. The guests see the host's files (this repository, its build, Node) read-only under an
 * overlay. Its last line counts tests, or commands, over all guests.
 *
 * tsx tests/guest/run.ts [--guest user-mode-linux|qemu] [--seconds N] [--memory MIB] [TEST-FILE… | --
 * COMMAND…]
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { messageOf } from '../../app/base/error.ts';
import { boot } from './boot.ts';
import type { GuestKind } from './guest-kind.ts';
import type { GuestResult } from './job.ts';
import { qemu } from './qemu.ts';
import { userModeLinux } from './user-mode-linux.ts';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const root = resolve(import.meta.dirname, '../..');
const kinds: readonly GuestKind[] = [userModeLinux, qemu];

const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
});

const separator = process.argv.indexOf('--', 2);
const command = separator < 0 ? [] : process.argv.slice(separator + 1);
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, separator < 0 ? undefined : separator),
  allowPositionals: true,
  options: {
    guest: { type: 'string' },
    seconds: { type: 'string', default: '600' },
    memory: { type: 'string', default: '2048' },
  },
});

const vitest = [
  ...[process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'guest'],
  ...['--reporter=default', '--reporter=json'],
];
/** Only in the guest is it known where its job's directory is. */
const testCommand = ['bash', '-c', 'exec "$@" --outputFile.json="$GUEST_JOB/report.json"', 'bash', ...vitest];

/** DM_DISABLE_UDEV: no udev runs there, and the tools of others are not to wait for it. */
function environmentOf(kind: GuestKind): Record<string, string> {
  const { PATH = '', HOME = '/root', LANG = 'C.UTF-8' } = process.env;
  return { PATH: `${PATH}:/usr/sbin:/sbin`, HOME, LANG, DISKFERRY_GUEST: kind.name, DM_DISABLE_UDEV: '1' };
}

function countsOf(result: GuestResult): Counts {
  const failed = result.exitCode === 0 ? 0 : 1;
  if (command.length > 0) return { passed: 1 - failed, failed, skipped: 0 };
  if (result.report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const report = reportSchema.parse(JSON.parse(result.report));
  return {
    passed: report.numPassedTests,
    failed: Math.max(report.numFailedTests, failed),
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

async function runIn(kind: GuestKind): Promise<Counts> {
  const missing = kind.missing();
  if (missing !== undefined) {
    console.log(`skipped: ${kind.name}: it needs ${missing}`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const startMs = performance.now();
  const result = await boot(kind, {
    command: command.length > 0 ? command : [...testCommand, ...positionals],
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
  return countsOf(result);
}

/** A guest that cannot be booted or ends early is one failure, and does not keep the other from running. */
async function countIn(kind: GuestKind): Promise<Counts> {
  try {
    return await runIn(kind);
  } catch (error) {
    console.log(`failed: ${kind.name}: ${messageOf(error)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

async function main(): Promise<void> {
  const chosen = kinds.filter(({ name }) => values.guest === undefined || values.guest === name);
  if (chosen.length === 0)
    throw new Error(`--guest ${values.guest ?? ''}: must be ${kinds.map(({ name }) => name).join(' or ')}`);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const kind of chosen) {
    console.log(`── guest ${kind.name}`);
    const counts = await countIn(kind);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main();
