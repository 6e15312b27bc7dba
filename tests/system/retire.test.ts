/**
 * `retire` of real disks: what it says of the original of a move, all that it refuses, and that an erased disk is
 * erased, also after it has been interrupted or killed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { retireEventSchema } from '../../app/contract/retire.ts';
import type { RetiredDisk, RetireEvent } from '../../app/contract/retire.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { ProgramResult } from '../../app/devices/program.ts';
import { makeFileSystem, mount, unmount } from './support/file-system.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { attachLoopDisk, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { failing } from './support/mask-fault.ts';
import { cliProgram, Migration, runCli } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { Terminal } from './support/terminal.ts';
import { inTime, waitUntil } from './support/wait.ts';

const eraseFault = fileURLToPath(new URL('support/erase-fault.cjs', import.meta.url));
const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 192 * mebibyte;
/** In the body, which is erased first (eraser.ts). */
const bodyBytes = 100 * mebibyte;

let scratch: Scratch;
let source: LoopDisk;
let destination: LoopDisk;

function retire(disk: LoopDisk, ...parameters: string[]): Promise<ProgramResult> {
  return runCli('retire', disk.path, '--state-dir', scratch.stateDirectory, ...parameters);
}

function unmask(...parameters: string[]): Promise<ProgramResult> {
  return runCli('unmask', source.path, '--state-dir', scratch.stateDirectory, ...parameters);
}

function eventsIn(text: string): RetireEvent[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && !line.includes('"event":"failed"'))
    .map((line) => retireEventSchema.parse(JSON.parse(line)));
}

async function shown(disk = source): Promise<RetiredDisk> {
  const { stdout, stderr, exitCode } = await retire(disk, '--json');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const [event] = eventsIn(stdout);
  if (event?.event !== 'retired') throw new Error(`it said: ${stdout}`);
  return event.retired;
}

async function expectRefused(disk: LoopDisk, what: RegExp, ...parameters: string[]): Promise<void> {
  const { exitCode, stderr } = await retire(disk, '--erase', '--yes', ...parameters);
  expect(stderr.replaceAll(/\s+/g, ' ')).toMatch(what);
  expect(exitCode).toBe(3);
}

function writeAt(path: string, offsetBytes: number, text = 'somebody was here'): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, Buffer.from(text.padEnd(512)), 0, 512, offsetBytes);
  } finally {
    closeSync(fd);
  }
}

function isZero(disk: LoopDisk): boolean {
  return readPart(disk.file, 0, disk.sizeBytes).every((byte) => byte === 0);
}

/** By SIGSTOP; /proc/PID/stat has the state behind the name. */
function isStopped(pid: number): boolean {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('T') ?? false;
}

const recordPath = (): string => {
  const folder = join(scratch.stateDirectory, 'retired');
  return join(folder, readdirSync(folder)[0] ?? 'none');
};

/** An ext4 over random bytes, of which only what is used crosses; the original keeps them all. */
async function makeDisks(): Promise<void> {
  scratch = scratchOf();
  source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
  await makeFileSystem('ext4', source.path, '-E', 'nodiscard');
  destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: sizeBytes + mebibyte });
}

async function move(): Promise<void> {
  const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
  expect(await migration.end()).toMatchObject({ exitCode: 0 });
}

describe.skipIf(!isRoot)('the original of a finished move (needs root)', () => {
  beforeEach(async () => {
    await makeDisks();
    await move();
  });

  it('is shown, erased on a word, and shown as erased; unmask says so, and the destination is untouched', async () => {
    const before = readFileSync(destination.file);
    expect(await shown()).toMatchObject({
      ...{ state: 'whole', hidden: ['ext4'], method: 'discard', refusal: null },
      ...{ destinationPath: destination.path, destination: { path: destination.path } },
    });
    const content = readFileSync(source.file);
    expect(await retire(source, '--erase', '--dry-run')).toMatchObject({ exitCode: 0 });
    expect(await retire(source, '--erase')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('nobody is there to confirm it') as string,
    });
    expect(readFileSync(source.file).equals(content)).toBe(true);
    const { exitCode, stdout } = await retire(source, '--erase', '--yes', '--json');
    expect(exitCode).toBe(0);
    expect(eventsIn(stdout).at(-1)).toMatchObject({ event: 'erased', method: 'discard', erasedBytes: sizeBytes });
    expect(isZero(source)).toBe(true);
    // What is discarded is not written: but for the parts that are erased last, the image has no blocks any more.
    expect(statSync(source.file).blocks * 512).toBeLessThan(sizeBytes / 4);
    expect(readFileSync(destination.file).equals(before)).toBe(true);
    expect(await shown()).toMatchObject({ state: 'erased' });
    expect(await retire(source, '--erase', '--yes')).toMatchObject({ exitCode: 0 });
    expect(await unmask('--i-know-it-is-stale')).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/was erased on .* nothing is left to be shown/) as string,
    });
    await expectLastMoments();
  });

  /** As when the erasing was killed when all but the proof was erased; and what was used since is nobody's to erase. */
  async function expectLastMoments(): Promise<void> {
    const record = JSON.parse(readFileSync(recordPath(), 'utf8')) as { erasure: object };
    writeAt(source.path, 4096);
    await expectRefused(source, /but it was written to since/);
    writeFileSync(recordPath(), JSON.stringify({ ...record, erasure: { ...record.erasure, finishedMs: null } }));
    // The end of the body, which was erased before.
    const endBytes = sizeBytes - mebibyte - 512;
    writeAt(source.path, endBytes);
    await expectRefused(source, /but it was written to since/);
    writeAt(source.path, endBytes, '\0'.repeat(512));
    expect(await shown()).toMatchObject({ state: 'partly-erased' });
    expect(await retire(source, '--erase', '--yes')).toMatchObject({ exitCode: 0 });
    expect(isZero(source)).toBe(true);
  }

  it('is not erased when it is none, in use, used since, or perhaps the only copy', async () => {
    const content = readFileSync(source.file);
    await expectRefused(destination, /is the destination of the move .* and so the volume itself/);
    const other = await makeLoopDisk(scratch, 'other', { sizeBytes });
    await expectRefused(other, /no record here says that it is the original/);
    // With the records gone only its masked bytes are left, which prove nothing.
    renameSync(join(scratch.stateDirectory, 'retired'), scratch.path('retired'));
    const masked = /hidden what is on it \(ext4\), but no record here says that this move has ended/;
    await expectRefused(source, masked, '--i-know-it-may-be-the-only-copy');
    renameSync(scratch.path('retired'), join(scratch.stateDirectory, 'retired'));

    const writer = openSync(source.path, 'r+');
    await expectRefused(source, /is open for writing by node/);
    closeSync(writer);
    await expectSecondLook();
    expect(await shown()).toMatchObject({ destinationPath: null, refusal: { code: 'may-be-only-copy' } });
    expect(await retire(source, '--erase', '--dry-run', '--i-know-it-may-be-the-only-copy')).toMatchObject({ exitCode: 0 });
    destination = await attachLoopDisk(destination.file, destination.sizeBytes);
    expect(await shown()).toMatchObject({ destinationPath: destination.path, refusal: null });
    await makeFileSystem('ext4', destination.path);
    await expectRefused(source, /does not show the volume .* it was ext4 \S+ and is ext4 /);
    const bad = recordPath().replace('.json', '-other.json');
    writeFileSync(bad, '{}');
    await expectRefused(source, /cannot be read: it lacks what such a record has/);
    rmSync(bad);
    expect(readFileSync(source.file).equals(content)).toBe(true);
    await expectUsed();
    expect(readPart(source.path, bodyBytes, mebibyte).equals(content.subarray(bodyBytes, bodyBytes + mebibyte))).toBe(true);
  });

  /** What was right when it was shown is looked at again after the person has answered. */
  async function expectSecondLook(): Promise<void> {
    const terminal = Terminal.start(scratch, 'retire', source.path, '--erase', '--state-dir', scratch.stateDirectory);
    await terminal.shows('Type "yes"');
    await runCommand('losetup', ['--detach', destination.path], 'detaching the destination');
    terminal.type('yes\r');
    expect(await terminal.end()).toBe(3);
    const screen = terminal.screen.replaceAll(/\s+/g, ' ');
    expect(screen).toMatch(/may be the only copy: the destination of the move .* is not connected/);
  }

  async function expectUsed(): Promise<void> {
    const word = '--i-know-it-may-be-the-only-copy';
    vi.stubEnv('NODE_OPTIONS', `--require ${eraseFault}`);
    vi.stubEnv('ERASE_FAULT', 'written');
    await expectRefused(source, /State still holds all .* but was written to since/, word);
    vi.unstubAllEnvs();
    await expectRefused(source, /but was written to since/, word);
    expect(await unmask('--i-know-it-is-stale')).toMatchObject({ exitCode: 0 });
    const target = await scratch.makeDirectory('volume');
    await mount(source.path, target);
    await expectRefused(source, /is recognised again: it may have been used since/, word);
    await unmount(target);
  }

  /** Ends an erasing by a signal in its middle; it stands still `meanwhile`. Resolves to its exit code. */
  async function breakOff(signal: NodeJS.Signals, meanwhile: () => Promise<void>): Promise<number | null> {
    const asked = ['--erase', '--yes', '--method', 'overwrite', '--state-dir', scratch.stateDirectory];
    const env = { ...process.env, NODE_OPTIONS: `--require ${eraseFault}`, ERASE_FAULT: 'stands-still' };
    const child = spawn(process.execPath, [cliProgram, 'retire', source.path, ...asked], { stdio: 'ignore', env });
    scratch.onRelease('the erasing', () => void child.kill('SIGKILL'));
    const exited = once(child, 'exit') as Promise<[number | null]>;
    await waitUntil('the erasing stands still', () => isStopped(child.pid ?? NaN));
    await meanwhile();
    child.kill(signal);
    child.kill('SIGCONT');
    const [exitCode] = await inTime(() => 'the erasing has ended', exited);
    return exitCode;
  }

  it('is erased by one at a time, and on when that was interrupted or killed; and is not shown in between', async () => {
    const second = async (): Promise<void> => expectRefused(source, /is open for writing by|is in use/);
    expect(await breakOff('SIGKILL', second)).toBeNull();
    expect(await shown()).toMatchObject({ state: 'partly-erased', refusal: null });
    expect(await breakOff('SIGINT', () => Promise.resolve())).toBe(130);
    const { erasure } = JSON.parse(readFileSync(recordPath(), 'utf8')) as { erasure: { doneBytes: number } };
    expect(erasure.doneBytes).toBeGreaterThan(0);
    expect(erasure.doneBytes).toBeLessThan(sizeBytes - 2 * mebibyte);
    expect(isZero(source)).toBe(false);
    expect(await unmask()).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('its erasing was begun on') as string,
    });
    const { exitCode, stdout } = await retire(source, '--erase', '--yes', '--json', '--verify');
    expect(exitCode).toBe(0);
    // What was begun by overwriting is ended so.
    expect(eventsIn(stdout).at(-1)).toMatchObject({ event: 'erased', method: 'overwrite', readBackBytes: sizeBytes });
    expect(statSync(source.file).blocks * 512).toBe(sizeBytes);
    const first = eventsIn(stdout).find(({ event }) => event === 'erasing');
    expect(first).toMatchObject({ doneBytes: expect.toSatisfy((bytes: number) => bytes > erasure.doneBytes) as number });
    expect(isZero(source)).toBe(true);
  });
});

describe.skipIf(!isRoot)('the original of a move that was killed in its commit (needs root)', () => {
  it('is known as one when recover has ended the move, and not before', async () => {
    await makeDisks();
    const disks = { source: source.path, destination: destination.path };
    expect(await failing('shown', () => Migration.start(scratch, disks)).end()).toMatchObject({ exitCode: 4 });
    await expectRefused(source, /the job \S+ died while it moved it/, '--i-know-it-may-be-the-only-copy');
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 0 });
    expect(await shown()).toMatchObject({ state: 'whole', destinationPath: destination.path, refusal: null });
    expect(await retire(source, '--erase', '--yes')).toMatchObject({ exitCode: 0 });
    expect(isZero(source)).toBe(true);
  });
});
