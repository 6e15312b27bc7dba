/**
 * Runs a program that must not be ended in the middle, such as one that changes a file system's size: without a limit
 * on time, and so that it goes on when we are killed. Its output goes to a file without a name, because a pipe whose
 * reader has died would end it at its next word.
 *
 * A lock that is to last as long as the program works is handed down to it as an open descriptor.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inOwnSession } from './own-session.ts';
import type { ProgramResult } from './program.ts';
import { exitCodeOf, programEnvironment } from './program.ts';

const inherited = new AsyncLocalStorage<readonly number[]>();

/** Programs that `act` runs to their end keep these descriptors open, and with them the locks, also when we are killed. */
export function handingDown<T>(fds: readonly number[], act: () => Promise<T>): Promise<T> {
  return inherited.run(fds, act);
}

/** Some show their progress; nobody needs more than the end of it. */
const outputBytesMax = 64 * 1024;

/** Throws `program-missing` when there is none, else returns whatever its exit code is. */
export async function runToItsEnd(
  program: string,
  parameters: readonly string[],
  input: Uint8Array = new Uint8Array(),
): Promise<ProgramResult> {
  const [stdout, stderr] = [await namelessFile(), await namelessFile()];
  try {
    const exitCode = await run({ program, parameters, input, stdout, stderr });
    return { exitCode, stdout: await endOf(stdout), stderr: await endOf(stderr) };
  } finally {
    await stdout.close();
    await stderr.close();
  }
}

async function namelessFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'diskferry-output-'));
  try {
    return await open(join(directory, 'output'), 'w+');
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface Run {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly input: Uint8Array;
  readonly stdout: FileHandle;
  readonly stderr: FileHandle;
}

async function run({ program, parameters, input, stdout, stderr }: Run): Promise<number> {
  // LVM complains of descriptors that it does not know. sfdisk would wait for a lock of its own, which we have.
  const env = { ...programEnvironment(), LVM_SUPPRESS_FD_WARNINGS: '1', LOCK_BLOCK_DEVICE: 'no' };
  const stdio = ['pipe' as const, stdout.fd, stderr.fd, ...(inherited.getStore() ?? [])];
  const child = inOwnSession((own) => spawn(program, parameters, { ...own, env, stdio }));
  // A program may end without having read everything; its exit code says why.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return exitCodeOf(child, program);
}

async function endOf(file: FileHandle): Promise<string> {
  const { size } = await file.stat();
  const length = Math.min(size, outputBytesMax);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.toString('utf8');
}
