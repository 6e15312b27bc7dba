/**
 * Boots a guest, shows what its command prints while it runs, and returns how it ended. Whatever happens, no
 * process and no file of it stays: the guest and its servers run in sessions of their own, which are killed
 * whole, and they are killed too when this process is interrupted. When it is killed, only files stay.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReleaseStack } from '../../app/base/release.ts';
import type { GuestKind, GuestPlan, HostProcess } from './guest-kind.ts';
import type { GuestJob, GuestResult } from './job.ts';
import { JobDirectory } from './job.ts';

/**
 * A kernel that patches its code while QEMU translates it for another processor panics now and then (int3 in
 * sched_clock_cpu, one boot of six on a busy machine). Before the command has begun, that says nothing about
 * us.
 */
const bootsMax = 3;

class BootFailure extends Error {}

const serverStartMsMax = 60_000;

/** Ends a process with all that it started, and waits until it is gone. */
async function endSession(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
    process.kill(-child.pid, 'SIGKILL');
  await ended;
}

/** Learns of our end by the end of its input, also when we are killed, and then kills the session whole. */
function guard(held: ReleaseStack, session: number): void {
  const script = 'read -r _; kill -s KILL -- "-$1"';
  const child = spawn('sh', ['-c', script, 'sh', String(session)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  held.add('the guard of a session', () => void child.kill());
}

function start(held: ReleaseStack, host: HostProcess, outputFile: string) {
  const output = openSync(outputFile, 'a');
  const child = spawn(host.program, host.parameters, {
    detached: true,
    stdio: ['ignore', output, output],
    env: { ...process.env, ...host.environment },
  });
  closeSync(output);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
  held.add(host.program, () => endSession(child, ended));
  if (child.pid !== undefined) guard(held, child.pid);
  return { child, ended };
}

async function waitForPaths(paths: readonly string[]): Promise<void> {
  const deadlineMs = performance.now() + serverStartMsMax;
  while (!paths.every((path) => existsSync(path))) {
    if (performance.now() > deadlineMs) throw new Error(`the guest's file servers did not start`);
    await sleep(20);
  }
}

/** tail(1) follows the files by looking again and again: neither kind of share tells of changes. */
function showOutput(held: ReleaseStack, directory: JobDirectory): void {
  for (const [name, target] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    const options = ['--sleep-interval=0.1', `--pid=${process.pid}`, '--bytes=+1', '--follow'];
    const tail = spawn('tail', [...options, directory.file(name)], { stdio: ['ignore', target, 'ignore'] });
    const ended = new Promise((resolve) => tail.once('exit', resolve));
    held.add(`tail of ${name}`, async () => {
      await sleep(300);
      tail.kill();
      await ended;
    });
  }
}

/** With servers of its own: they end with it. */
async function startGuest(held: ReleaseStack, plan: GuestPlan, directory: JobDirectory) {
  for (const path of plan.awaitedPaths) rmSync(path, { force: true });
  for (const server of plan.servers) start(held, server, directory.file('host'));
  await waitForPaths(plan.awaitedPaths);
  return start(held, plan.guest, directory.file('console'));
}

async function runGuest(held: ReleaseStack, kind: GuestKind, job: GuestJob): Promise<GuestResult> {
  const directory = new JobDirectory(job);
  held.add('the job directory', () => directory.remove());
  const plan = await kind.plan(job, directory);
  showOutput(held, directory);
  const late = sleep(job.secondsMax * 1000, false, { ref: false });
  let ended: boolean;
  do {
    const guest = await startGuest(held, plan, directory);
    ended = await Promise.race([guest.ended.then(() => true), late]);
  } while (ended && directory.takeReset());
  const result = directory.result();
  if (result !== undefined) return result;
  if (ended && !directory.hasBegun) throw new BootFailure(`its last words:\n${directory.lastWords()}`);
  const how = ended ? 'ended before its command did' : `was switched off after ${job.secondsMax} s`;
  throw new Error(`the ${kind.name} guest ${how}; its last words:\n${directory.lastWords()}`);
}

export async function boot(kind: GuestKind, job: GuestJob): Promise<GuestResult> {
  for (let boots = 1; ; boots += 1) {
    try {
      return await bootOnce(kind, job);
    } catch (error) {
      if (!(error instanceof BootFailure) || boots === bootsMax) throw error;
      console.log(`the ${kind.name} guest ended while it booted and is booted again; ${error.message}`);
    }
  }
}

async function bootOnce(kind: GuestKind, job: GuestJob): Promise<GuestResult> {
  const held = new ReleaseStack();
  const interrupt = (): void => {
    void held.releaseAll().finally(() => process.exit(130));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return await runGuest(held, kind, job);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await held.releaseAll();
  }
}
