/**
 * A second terminal steers a job that runs in the foreground of the first: status, pause, resume, speed,
 * cutover, undo, through the real command line, with its exit codes and one line of JSON each.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gibibyte, mebibyte } from '../../app/base/units.ts';
import type { StatusLine } from '../../app/contract/control.ts';
import { statusLineSchema } from '../../app/contract/control.ts';
import { deviceTreeSchema } from '../../app/contract/device-tree.ts';
import { jobEventSchema } from '../../app/contract/events.ts';
import { makeLoopDisk } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { SectorWriter } from './support/sector-writer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

/** A job that has copied all and waits for its cut-over. */
async function startJob(scratch: Scratch, name: string): Promise<Migration> {
  const options = { sizeBytes: 16 * mebibyte };
  const source = await makeLoopDisk(scratch, `${name}-source`, options);
  const destination = await makeLoopDisk(scratch, `${name}-destination`, options);
  const disks = { source: source.path, destination: destination.path };
  const migration = Migration.start(scratch, disks, '--hold');
  await migration.event('synchronized');
  return migration;
}

/** A command in the second terminal that must succeed. Returns a status for each line. */
async function tell(scratch: Scratch, ...parameters: string[]): Promise<StatusLine[]> {
  const all = [...parameters, '--json', '--state-dir', scratch.stateDirectory];
  const { exitCode, stdout, stderr } = await runCli(...all);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => statusLineSchema.parse(JSON.parse(line)));
}

/** A command that must be refused, with one line for people and one for programs. */
async function expectRefused(scratch: Scratch, parameters: string[], code: string): Promise<void> {
  const all = [...parameters, '--json', '--state-dir', scratch.stateDirectory];
  const { exitCode, stdout, stderr } = await runCli(...all);
  expect(exitCode).toBe(2);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(jobEventSchema.parse(JSON.parse(stdout))).toMatchObject({ event: 'failed', code });
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function sendAndLeave(path: string, data: string | Buffer): Promise<void> {
  const socket = await connected(path);
  socket.write(data, () => socket.destroy());
  await once(socket, 'close');
}

describe.skipIf(!isRoot)('a second terminal (needs root)', () => {
  it('pauses, resumes, changes the speed and cuts over', async () => {
    const scratch = scratchOf();
    const sizeBytes = gibibyte;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch, disks, '--speed', 'gentle', '--hold');
    const [job, device] = [await migration.job(), await migration.device()];
    await migration.ask('pause');
    // A busy consumer makes the gentle copy last longer than all commands here.
    const writer = await SectorWriter.open(scratch, device, {
      seed: 1,
      expected: Buffer.alloc(16 * mebibyte),
      sectorBytes: 512,
    });
    let isBusy = true;
    const writing = writer.runWhile(() => isBusy);

    const common = { job, source: source.path, destination: destination.path, device };
    expect(await tell(scratch, 'status')).toMatchObject([{ ...common, state: 'paused', speed: 'gentle' }]);
    expect(await tell(scratch, 'resume')).toMatchObject([{ ...common, state: 'copying' }]);
    expect(await tell(scratch, 'pause', job)).toMatchObject([{ ...common, state: 'paused' }]);
    expect(await tell(scratch, 'pause', job)).toMatchObject([{ ...common, state: 'paused' }]);
    await expectRefused(scratch, ['cutover'], 'job-state');
    expect(await tell(scratch, 'speed', 'full')).toMatchObject([{ state: 'paused', speed: 'full' }]);
    expect(migration.eventsNamed('synchronized')).toEqual([]);
    expect(await tell(scratch, 'resume', job)).toMatchObject([{ ...common, speed: 'full' }]);
    await migration.event('synchronized');
    expect(await tell(scratch, 'status', job)).toMatchObject([{ ...common, state: 'synchronized' }]);
    isBusy = false;
    await writing;
    await writer.close();
    expect(await tell(scratch, 'cutover')).toMatchObject([{ job }]);
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    const told = migration.events.map(({ event }) => event);
    expect(told.filter((event) => event === 'paused' || event === 'resumed')).toEqual([
      'paused',
      'resumed',
      'paused',
      'resumed',
    ]);
  });

  it('undoes', async () => {
    const scratch = scratchOf();
    const migration = await startJob(scratch, 'one');
    expect(await tell(scratch, 'undo')).toMatchObject([{ state: 'undoing' }]);
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
  });

  it('is told what a job cannot do in its state', async () => {
    const scratch = scratchOf();
    const migration = await startJob(scratch, 'one');
    await expectRefused(scratch, ['pause'], 'job-state');
    await migration.ask('undo');
    await migration.end();
  });

  it('names one of several jobs', async () => {
    const scratch = scratchOf();
    const [one, two] = [await startJob(scratch, 'one'), await startJob(scratch, 'two')];
    const jobs = [await one.job(), await two.job()];
    expect((await tell(scratch, 'status')).map(({ job }) => job).sort()).toEqual([...jobs].sort());
    await expectRefused(scratch, ['cutover'], 'usage');
    await tell(scratch, 'cutover', await two.job());
    expect(await two.end()).toMatchObject({ exitCode: 0 });
    expect(await tell(scratch, 'undo')).toMatchObject([{ job: await one.job() }]);
    expect(await one.end()).toMatchObject({ exitCode: 8 });
  });

  it('sees which disks a job moves, and that they cannot be moved', async () => {
    const scratch = scratchOf();
    const migration = await startJob(scratch, 'one');
    const job = await migration.job();
    const { stdout } = await runCli('devices', '--json', '--state-dir', scratch.stateDirectory);
    const trees = stdout
      .trim()
      .split('\n')
      .map((line) => deviceTreeSchema.parse(JSON.parse(line)));
    const [status] = await tell(scratch, 'status');
    const moved = trees.filter(({ path }) => path === status?.source || path === status?.destination);
    const refused = {
      eligible: false,
      reason: { code: 'device-in-use', message: expect.stringContaining(job) as string },
    };
    expect(moved).toMatchObject([1, 2].map(() => ({ asSource: refused, asDestination: refused, way: null })));
    await migration.ask('undo');
    await migration.end();
  });

  it('hears that no job is running, which is no error', async () => {
    const scratch = scratchOf();
    expect(await tell(scratch, 'status')).toEqual([]);
    const { exitCode, stderr } = await runCli('status', '--state-dir', scratch.stateDirectory);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: 'No job is running.\n' });
    await expectRefused(scratch, ['pause'], 'job-missing');
    await expectRefused(scratch, ['status', 'nothing-0000'], 'job-missing');
  });

  it('ends when a job dies in the middle of its answer', async () => {
    const scratch = scratchOf();
    const directory = await scratch.makeDirectory('state/jobs/dying');
    const server = createServer((socket) => socket.resume().end('Content-Length: 100\r\n\r\n{"jsonrpc"'));
    server.listen(join(directory, 'control.sock'));
    await once(server, 'listening');
    scratch.onRelease(
      'the job that dies',
      () => new Promise<void>((resolve) => void server.close(() => resolve())),
    );
    await expectRefused(scratch, ['pause', 'dying'], 'job-missing');
    rmSync(scratch.stateDirectory, { recursive: true });
  });

  it('is not kept from its cut-over or undo by who has the file under the virtual device open', async () => {
    const scratch = scratchOf();
    for (const [command, exitCode] of [
      ['cutover', 0],
      ['undo', 8],
    ] as const) {
      const migration = await startJob(scratch, command);
      const file = openSync(
        join(scratch.stateDirectory, 'jobs', await migration.job(), 'virtual-device'),
        'r',
      );
      await migration.ask(command);
      expect(await migration.end()).toMatchObject({ exitCode });
      expect(() => readSync(file, Buffer.alloc(512))).toThrow();
      closeSync(file);
    }
  });

  it('cannot harm a job by being rude', async () => {
    const scratch = scratchOf();
    const migration = await startJob(scratch, 'one');
    const path = join(scratch.stateDirectory, 'jobs', await migration.job(), 'control.sock');
    const question = '{"jsonrpc":"2.0","id":1,"method":"status","params":{}}';
    const rudeThings = [
      randomBytes(100_000),
      'Content-Length: 99999999999999\r\n\r\n{',
      'Content-Length: -5\r\n\r\n{}',
      'Content-Length: many\r\n\r\n{}',
      'Content-Length: 4\r\n\r\nnull',
      // Gone before the answer comes.
      `Content-Length: ${question.length}\r\n\r\n${question}`.repeat(20),
    ];
    for (const rude of rudeThings) await sendAndLeave(path, rude);
    // More connections than the job keeps.
    const idle = await Promise.all(Array.from({ length: 40 }, () => connected(path)));
    expect(await tell(scratch, 'status', await migration.job())).toHaveLength(1);
    for (const socket of idle) socket.destroy();
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
  });
});
