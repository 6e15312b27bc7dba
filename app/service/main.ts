#!/usr/bin/env node
/**
 * `diskferryd`: the service. Runs as root, with systemd or without, and says on stderr what it does, while
 * somebody reads there: it outlives the terminal that it was started in. A signal to stop ends the service and
 * no job: a new one finds them again.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DiskferryError } from '../base/error.ts';
import { setVariable } from '../base/set-variable.ts';
import { adviceFor, explain } from '../contract/advice.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import { defaultSocketPath, serviceLimits } from '../contract/service.ts';
import { findProgram } from '../devices/find-program.ts';
import { settleUdev } from '../devices/udev.ts';
import { fingerprint, pollMs } from '../migration/device-watch.ts';
import { Authority } from './authority.ts';
import { Awake, powerNotes } from './awake.ts';
import { Consents } from './consents.ts';
import type { EventStream } from './event-stream.ts';
import { makeHandlers } from './handlers.ts';
import type { ServiceParts } from './handlers.ts';
import { Jobs } from './jobs.ts';
import { PerUserLimit } from './per-user-limit.ts';
import { ResumeAtStart } from './resume-at-start.ts';
import { ServiceServer } from './server.ts';
import type { ConstantOptions } from './server.ts';

/** Of the kernel's log (KERN_ERR): shown also where a boot is to be quiet. */
const errorLevel = 3;
/** The kernel refuses a line of 1 KiB and more (kernel/printk/printk.c, LOG_LINE_MAX). */
const kernelLineMax = 900;
const usage = 'diskferryd [--socket PATH] [--state-dir DIRECTORY]';

interface Settings {
  readonly socket: string;
  readonly stateDirectory: string;
}

function say(text: string): void {
  process.stderr.write(`diskferryd: ${text}\n`);
}

/** Also on the console of a machine that boots: through the kernel's log, which keeps nobody waiting. */
function complain(text: string): void {
  say(text);
  const line = `<${errorLevel}>diskferryd: ${text.slice(0, kernelLineMax)}\n`;
  writeFile('/dev/kmsg', line, { flag: 'a' }).catch(() => undefined);
}

function sayBug(error: unknown): void {
  say(
    `this is a bug in Diskferry: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
}

function settings(): Settings {
  try {
    const { values } = parseArgs({
      options: { socket: { type: 'string' }, 'state-dir': { type: 'string' } },
    });
    return {
      socket: resolve(values.socket ?? setVariable('DISKFERRY_SOCKET') ?? defaultSocketPath),
      stateDirectory: resolve(values['state-dir'] ?? setVariable('DISKFERRY_STATE_DIR') ?? '/var/lib/diskferry'),
    };
  } catch (cause) {
    throw new DiskferryError('usage', `${(cause as Error).message.split('. ')[0] ?? ''}: ${usage}`, {
      cause,
    });
  }
}

async function serve({ socket, stateDirectory }: Settings): Promise<void> {
  if (process.geteuid?.() !== 0) throw new DiskferryError('not-root', 'diskferryd: must run as root');
  const stopped = stopSignal();
  const awake = new Awake(say);
  // Only asked for when a job says something: by then the server is there.
  const streams = (): readonly EventStream[] => server.streams();
  const jobs = new Jobs({
    stateDirectory,
    onEvent: (event) => streams().forEach((stream) => stream.event(event)),
    onCount: (running) => awake.follow(running),
    say,
  });
  const authority = new Authority(findProgram('pkcheck') !== undefined);
  const notes = (): string[] => [...powerNotes(), ...awake.notes()];
  const parts = { stateDirectory, authority, jobs, notes };
  const server = await ServiceServer.listen(socket, connectionOptions(parts));
  await jobs.open();
  const resume = new ResumeAtStart({ jobs, say, complain, disksKnown: settleUdev });
  const stopWatching = watchDevices(() => {
    resume.devicesChanged();
    for (const stream of streams()) stream.devicesChanged();
  });
  const rights = authority.hasPolkit ? '' : '; without polkit only root is served';
  say(`listening at ${socket}, jobs in ${stateDirectory}${rights}`);
  // It waits for disks: the service can be stopped meanwhile.
  await Promise.race([resume.begin(), stopped]);
  await stopped;
  stopWatching();
  jobs.close();
  awake.release();
  await server.close();
}

function connectionOptions(parts: Omit<ServiceParts, 'consents' | 'looks'>): ConstantOptions {
  const { requestsPerUserMax, requestsMax, looksPerUserMax, looksMax } = serviceLimits;
  const allowedLooks = { perUserMax: looksPerUserMax, totalMax: looksMax };
  const looks = new PerUserLimit(allowedLooks, 'requests that look at disks');
  const handlers = makeHandlers({ ...parts, consents: new Consents(), looks });
  const allowedRequests = { perUserMax: requestsPerUserMax, totalMax: requestsMax };
  const requests = new PerUserLimit(allowedRequests, 'requests');
  return { authority: parts.authority, handlers, requests, log: say, onBug: sayBug };
}

function stopSignal(): Promise<void> {
  return new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop());
  });
}

/** Returns what ends it. */
function watchDevices(onChange: () => void): () => void {
  let before = fingerprint();
  const timer = setInterval(() => {
    const now = fingerprint();
    if (now === before) return;
    before = now;
    onChange();
  }, pollMs);
  return () => clearInterval(timer);
}

// A terminal that is closed says so by this signal, and takes no more words.
process.on('SIGHUP', () => undefined);
process.stderr.on('error', () => undefined);

try {
  await serve(settings());
  // Channels to job processes keep this one alive; they go on without it.
  process.exit(exitCodes.done);
} catch (error) {
  if (!(error instanceof DiskferryError)) throw error;
  say(explain(error.toData()));
  process.exit(adviceFor(error).exitCode);
}
