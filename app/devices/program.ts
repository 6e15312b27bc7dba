/**
 * Runs the system's programs (lsblk, blkid, dumpe2fs, …): never through a shell, always in the C locale,
 * always with a limit on time, or until somebody ends them. Output that may be large comes line by line and is
 * never held whole.
 *
 * The exit code is a result, not an error: many of these programs say something with it. Only a program that
 * is missing, hangs or cannot be started throws.
 *
 * A program that waits for a sick disk cannot even be killed. Nobody waits for it once its time has passed, and as
 * long as it is there the same is not started again: there is one for each question at the most.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { DiskferryError } from '../base/error.ts';
import { findProgram } from './find-program.ts';
import { inOwnSession } from './own-session.ts';

/** Programs that read one header take milliseconds; those that walk a large file system, minutes. */
const runMsMax = 30 * 60_000;
/** For those that read a header or two. Also a disk that has slept answers sooner, unless it is sick. */
export const headerMsMax = 30_000;
/** To a program that was killed and can be, on a machine that may be busy. */
const dyingMsMax = 3_000;

/** When what a program is started for must be over. */
const deadlineMs = new AsyncLocalStorage<number>();

/** What programs `act` starts, by whatever functions, are ended after so long. */
export function withProgramLimit<T>(timeMsMax: number, act: () => Promise<T>): Promise<T> {
  return deadlineMs.run(performance.now() + timeMsMax, act);
}

/** Killed in vain, by what they were started with. */
const stuck = new Map<string, ChildProcess>();

function timeLeftMs(timeMsMax: number): number {
  const untilMs = deadlineMs.getStore() ?? Infinity;
  return Math.ceil(Math.max(1, Math.min(timeMsMax, untilMs - performance.now())));
}

export interface ProgramEnd {
  readonly exitCode: number;
  readonly stderr: string;
}

export interface ProgramResult extends ProgramEnd {
  readonly stdout: string;
}

/** Many of the programs live in directories that are not on the path of people who are not root. */
export function programEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin` };
}

function start(
  program: string,
  parameters: readonly string[],
  input: Uint8Array = new Uint8Array(),
  timeMsMax = runMsMax,
) {
  const words = [program, ...parameters].join('\0');
  if (stuck.has(words)) throw stuckError(program, 'is still stuck since it was started last');
  const env = programEnvironment();
  const child = inOwnSession((own) =>
    spawn(program, parameters, { ...own, env, stdio: ['pipe', 'pipe', 'pipe'] }),
  );
  // A program may end without having read everything; its exit code says why.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const ended = Promise.race([exitCodeOf(child, program), inVain(child, { program, words, timeMsMax })]);
  // Whoever reads what it says first hears of its end later.
  ended.catch(() => undefined);
  return { child, ended };
}

interface Limited {
  readonly program: string;
  readonly words: string;
  readonly timeMsMax: number;
}

/** Ends the program when its time has passed; rejects when it does not end then. */
function inVain(child: ChildProcessWithoutNullStreams, { program, words, timeMsMax }: Limited): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = (): void => {
      reject(stuckError(program, 'takes too long and cannot be ended: a disk does not answer'));
      if (child.exitCode === null && child.signalCode === null) {
        stuck.set(words, child);
        child.once('exit', () => stuck.delete(words));
      }
      child.unref();
      // Only then, or whoever reads there would hear of that first.
      setImmediate(() => [child.stdin, child.stdout, child.stderr].forEach((stream) => stream.destroy()));
    };
    const end = (): void => {
      child.kill('SIGKILL');
      limit = setTimeout(giveUp, dyingMsMax);
    };
    const timeMs = timeLeftMs(timeMsMax);
    // Not spawn's own limit: where the program is not installed, its timer keeps our process alive until it is over.
    let limit = timeMs === Infinity ? undefined : setTimeout(end, timeMs);
    for (const over of ['error', 'close']) child.once(over, () => clearTimeout(limit));
  });
}

function stuckError(program: string, what: string): DiskferryError {
  return new DiskferryError('command-failed', `${program}: ${what}`, { context: { program } });
}

/** When it has ended and its output is closed. Rejects with `program-missing` when there is none, or what ended it. */
export function exitCodeOf(child: ChildProcess, program: string): Promise<number> {
  const context = { program };
  return new Promise((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      // The kernel says EACCES where it may not enter a folder of the path: to whom root has left his, with `su`.
      const isMissing = cause.code === 'ENOENT' || (cause.code === 'EACCES' && findProgram(program) === undefined);
      const why = isMissing ? 'the program is not installed' : cause.message;
      const code = isMissing ? 'program-missing' : 'command-failed';
      reject(new DiskferryError(code, `${program}: ${why}`, { context, cause }));
    });
    child.once('close', (exitCode, signal) => {
      if (exitCode !== null) resolve(exitCode);
      else reject(new DiskferryError('command-failed', `${program}: ended by ${String(signal)}`, { context }));
    });
  });
}

export async function runProgram(
  program: string,
  parameters: readonly string[],
  timeMsMax = runMsMax,
): Promise<ProgramResult> {
  const { child, ended } = start(program, parameters, undefined, timeMsMax);
  const [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { exitCode, stdout, stderr };
}

export interface Reading {
  /** Called for each line of stdout and of stderr. */
  readonly onLine: (line: string) => void;
  /** Ends the program. */
  readonly signal: AbortSignal;
}

/**
 * A program that only reads, but for as long as a disk is large: without a limit on time. Returns its exit code; throws
 * what runProgram throws, also when the signal has come.
 */
export async function runReader(
  program: string,
  parameters: readonly string[],
  { onLine, signal }: Reading,
): Promise<number> {
  const { child, ended } = start(program, parameters, undefined, Infinity);
  const end = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  const readLines = async (input: Readable): Promise<void> => {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) onLine(line);
  };
  try {
    const [exitCode] = await Promise.all([ended, readLines(child.stdout), readLines(child.stderr)]);
    return exitCode;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

/**
 * Calls `onLine` for each line of stdout as it comes. What `onLine` throws ends the program and is thrown.
 */
export async function runProgramLines(
  program: string,
  parameters: readonly string[],
  onLine: (line: string) => void,
): Promise<ProgramEnd> {
  const { child, ended } = start(program, parameters);
  const readLines = async (): Promise<void> => {
    try {
      for await (const line of createInterface({ input: child.stdout, crlfDelay: Infinity })) onLine(line);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  };
  try {
    // Of a program that cannot be ended, its lines never end either.
    const [, exitCode, stderr] = await Promise.all([readLines(), ended, text(child.stderr)]);
    return { exitCode, stderr };
  } catch (error) {
    await ended.catch(() => undefined);
    throw error;
  }
}

/** The first `bytesMax` bytes that the program writes; then it is ended. */
export async function runProgramHead(
  program: string,
  parameters: readonly string[],
  bytesMax: number,
  timeMsMax = runMsMax,
): Promise<Buffer> {
  const { child, ended } = start(program, parameters, undefined, timeMsMax);
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      pieces.push(piece);
      length += piece.length;
      if (length >= bytesMax) break;
    }
  } catch (error) {
    // What ended it says more.
    await ended;
    throw error;
  }
  // Leaving the loop has closed its stdout; a program that had more to say ends by that, which is what we
  // want. One that has said less than that ends by itself, and is not to look as if it had been killed.
  if (length >= bytesMax) child.kill('SIGKILL');
  const [end] = await Promise.allSettled([ended]);
  if (length === 0 && end.status === 'rejected') throw end.reason;
  return Buffer.concat(pieces).subarray(0, bytesMax);
}

/**
 * For secrets, which must not become strings: gives `input` to the program's stdin, and what it prints to
 * `read`; the output's bytes are wiped before this returns. `read` is called whatever the exit code is.
 */
export async function runProgramInSecret<Result>(
  program: string,
  parameters: readonly string[],
  { input, read }: { readonly input: Uint8Array; readonly read: (output: Uint8Array) => Result },
): Promise<ProgramEnd & { readonly result: Result }> {
  const { child, ended } = start(program, parameters, input);
  const collect = async (): Promise<Result> => {
    const pieces: Buffer[] = [];
    for await (const piece of child.stdout as AsyncIterable<Buffer>) pieces.push(piece);
    const output = Buffer.concat(pieces);
    try {
      return read(output);
    } finally {
      for (const piece of [...pieces, output]) piece.fill(0);
    }
  };
  const [exitCode, result, stderr] = await Promise.all([ended, collect(), text(child.stderr)]);
  return { exitCode, stderr, result };
}
