/**
 * Runs the real `diskferryd` for a test, with its socket and state in the scratch, and speaks to it: by the
 * client library, by the command line, or with raw bytes. Jobs that it leaves behind are ended with the
 * scratch.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ServiceClient } from '../../../app/client/service-client.ts';
import type { ServiceEvents } from '../../../app/client/service-client.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { jobEventSchema } from '../../../app/contract/events.ts';
import type { ServiceInput } from '../../../app/contract/service.ts';
import { makeImage } from './loop-disk.ts';
import { cliProgram } from './migration.ts';
import type { Scratch } from './scratch.ts';
import { inTime, waitUntil } from './wait.ts';

const program = fileURLToPath(new URL('../../../build/app/service/main.js', import.meta.url));

export interface CommandEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly said: { readonly stdout: string; readonly stderr: string };
  readonly end: Promise<CommandEnd>;
  kill(): void;
}

/** When the service's queue is full, the kernel has clients try again. */
const floodText = `
  const { connect } = require('node:net');
  const [path, count] = process.argv.slice(1);
  const one = () => new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', resolve);
    socket.once('error', () => setTimeout(() => resolve(one()), 5));
    socket.on('error', () => {});
  });
  (async () => {
    for (let made = 0; made < Number(count); made += 1) await one();
    console.log('ready');
    setInterval(() => {}, 1000);
  })();
`;

export class Service {
  readonly #scratch: Scratch;
  readonly #extraPath: string;
  readonly socketPath: string;
  #child: ChildProcess | undefined;
  stderr = '';

  /**
   * `polkit`: a pkcheck of the test's own, which answers with this exit code; undefined: what the machine
   * has.
   */
  static async start(scratch: Scratch, options: { readonly polkit?: number } = {}): Promise<Service> {
    const service = new Service(scratch, options.polkit);
    scratch.onRelease('the service', () => service.endAll());
    await service.serve();
    return service;
  }

  private constructor(scratch: Scratch, polkit: number | undefined) {
    this.#scratch = scratch;
    this.socketPath = scratch.path('d.sock');
    this.#extraPath = scratch.path('bin');
    mkdirSync(this.#extraPath, { recursive: true });
    if (polkit !== undefined) this.answerWith(polkit);
  }

  /** What the test's own pkcheck says from now on. */
  answerWith(exitCode: number): void {
    const path = `${this.#extraPath}/pkcheck`;
    writeFileSync(path, `#!/bin/sh\necho "$@" >>${this.#scratch.path('asked')}\nexit ${exitCode}\n`);
    chmodSync(path, 0o755);
  }

  get asked(): string[] {
    return readFileSync(this.#scratch.path('asked'), 'utf8').trim().split('\n');
  }

  get processId(): number {
    return this.#child?.pid ?? 0;
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, DISKFERRY_SOCKET: this.socketPath };
  }

  async serve(): Promise<void> {
    const parameters = [program, '--socket', this.socketPath, '--state-dir', this.#scratch.stateDirectory];
    const env = { ...process.env, PATH: `${this.#extraPath}:${process.env['PATH'] ?? ''}` };
    const child = spawn(process.execPath, parameters, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.on('data', (text: Buffer) => {
      said += text.toString();
      this.stderr += text.toString();
    });
    await waitUntil('the service listens', () => {
      if (child.exitCode !== null) throw new Error(`the service has ended: ${said}`);
      return said.includes('listening at');
    });
  }

  /** As a crash, or the kernel for want of memory, does. The jobs go on. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** Its terminal is closed: nobody reads what it says, and it is told so by a signal. */
  closeTerminal(): void {
    this.#child?.stderr?.destroy();
    this.#child?.kill('SIGHUP');
  }

  client(events: ServiceEvents = {}): Promise<ServiceClient> {
    return ServiceClient.connect(this.socketPath, events);
  }

  /** Nothing but bytes. */
  async raw(): Promise<Socket> {
    const socket = connect(this.socketPath);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    // Being let go is what many tests are about.
    socket.on('error', () => undefined);
    return socket;
  }

  /** The command line, as this user, to its end. */
  cli(parameters: readonly string[], userId = 0): Promise<CommandEnd> {
    return this.run(parameters, userId).end;
  }

  /** The same while it runs; ended with the scratch. */
  run(parameters: readonly string[], userId = 0): RunningCommand {
    return this.#spawn([cliProgram, ...parameters], userId);
  }

  /**
   * Connects so often as this user, one after the other, and holds what it gets; `ready` on stdout when it
   * has.
   */
  flood(connections: number, userId: number): RunningCommand {
    return this.#spawn(['--eval', floodText, this.socketPath, String(connections)], userId);
  }

  #spawn(parameters: readonly string[], userId: number): RunningCommand {
    const identity = userId === 0 ? {} : { uid: userId, gid: userId };
    const options = { ...identity, cwd: '/', env: this.environment };
    const child = spawn(process.execPath, parameters, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#scratch.onRelease('a command', () => void child.kill('SIGKILL'));
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()));
    child.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()));
    const end = new Promise<CommandEnd>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode) => resolve({ exitCode, ...said }));
    });
    const what = (): string =>
      `the command ends: ${parameters.slice(1).join(' ')}; it said ${JSON.stringify(said)}`;
    return { said, end: inTime(what, end), kill: () => void child.kill('SIGKILL') };
  }

  /** As a crash does it to all of them. */
  async killJobs(): Promise<void> {
    const directory = this.#scratch.stateDirectory;
    for (const pid of jobProcesses(directory)) process.kill(pid, 'SIGKILL');
    await waitUntil('the jobs are gone', () => jobProcesses(directory).length === 0);
  }

  async endAll(): Promise<void> {
    await this.kill();
    await this.killJobs();
  }
}

/** Those that this test's service has started: they have its path, with a folder of the scratch. */
function jobProcesses(directory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isJobOf(pid, directory));
}

function isJobOf(pid: number, directory: string): boolean {
  try {
    if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('/migration/job-process.js')) return false;
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(directory.replace(/\/state$/, '/bin'));
  } catch {
    return false; // it has just ended
  }
}

export interface ImagePair {
  readonly source: string;
  readonly destination: string;
}

/** Image files with random content to move through a socket: no loop device, and no root needed. */
export function makeImages(scratch: Scratch, name: string, sizeBytes: number): ImagePair {
  const [source, destination] = [scratch.path(`${name}-source.img`), scratch.path(`${name}-destination.img`)];
  makeImage(source, sizeBytes, 'random');
  makeImage(destination, sizeBytes);
  return { source, destination };
}

/** Plans and starts; returns the job's name. */
export async function startJob(
  client: ServiceClient,
  disks: ImagePair,
  how: Partial<ServiceInput<'start'>> = {},
): Promise<string> {
  const { token } = await client.request('plan', { ...disks, frontend: 'nbd-socket' });
  const { job, first } = await client.request('start', { token, speed: 'full', ...how });
  if (first.event !== 'planned') throw new Error(`${job} has not begun: ${JSON.stringify(first)}`);
  return job;
}

/** The events that a finished job left. */
export function historyOf(scratch: Scratch, job: string): JobEvent[] {
  const text = readFileSync(`${scratch.stateDirectory}/history/${job}.jsonl`, 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => jobEventSchema.parse(JSON.parse(line)));
}

/** Its history is there, and, unless it can be recovered, its directory has gone, which its process removes last. */
export function hasEnded(scratch: Scratch, job: string): boolean {
  try {
    const events = historyOf(scratch, job).map(({ event }) => event);
    if (events.includes('failed')) return true;
    const hasTold = events.includes('finished') || events.includes('undone');
    return hasTold && !existsSync(`${scratch.stateDirectory}/jobs/${job}`);
  } catch {
    return false; // its history is not there yet
  }
}

/** The last thing that a job's process does is to remove the job's directory; it is not listed before that. */
export function haveAllLeft(scratch: Scratch): boolean {
  return readdirSync(`${scratch.stateDirectory}/jobs`).length === 0;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN);
}
