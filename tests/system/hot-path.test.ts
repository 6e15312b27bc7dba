/**
 * Serving requests makes no garbage: the real job process runs under V8's trace of collections, fio sends
 * requests, and between two marks after the warm-up the engine's thread collects nothing at all, while the
 * process does not grow (invariant 10). The young generation is a mebibyte here, so one smallest object for
 * every fourth of the requests would fill it. `npm test` sends fewer requests than the million of `npm run
 * test:soak`.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { buildId } from '../../app/base/build-id.ts';
import { DiskferryError } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { considerateBytesMin } from '../../app/copy/pace.ts';
import { askJob } from '../../app/migration/control-client.ts';
import type { JobStatus } from '../../app/contract/control.ts';
import { jobsDirectoryName } from '../../app/contract/control.ts';
import { planSchema } from '../../app/contract/plan.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { JobOrder, JobProcessMessage, StartMessage } from '../../app/migration/job-channel.ts';
import { TracedProgram } from './support/collection-trace.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { countersOf, makeLoopDisk } from './support/loop-disk.ts';
import { runCli } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { usuallyOrInSoak } from './support/soak.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const warmUpRequests = 100_000;
const measuredRequests = usuallyOrInSoak(250_000, 1_000_000);
/**
 * So little that all of it is soon on the destination: of the source is then read what is copied, and no
 * more.
 */
const loadBytes = 64 * mebibyte;
/** How much is copied beside a load, of a disk that holds several times as much. */
const copiedBytes = usuallyOrInSoak(256, 1024) * mebibyte;
const diskBytes = 6 * copiedBytes;
/**
 * What runs once for a piece beside a load is too rare to be optimised by V8, and its numbers may lie on the
 * heap: up to so much for each. An object for each request would still be several times as much.
 */
const pieceGarbageBytesMax = 2048;
const copiedPieces = copiedBytes / considerateBytesMin;
/**
 * Code that is compiled late, and the allocator's own keeping. Leaking a single object per request would take
 * more.
 */
const growthBytesMax = 3 * mebibyte;
const testMsMax = usuallyOrInSoak(120_000, 600_000);

type Frontend = 'fuse' | 'nbd-socket';

const jobProgram = fileURLToPath(new URL('../../build/app/migration/job-process.js', import.meta.url));
const name = 'traced';
const isReady = (message: unknown): message is JobProcessMessage =>
  (message as JobProcessMessage).kind === 'ready';
const plannedSchema = z.object({ plan: planSchema });

class TracedJob {
  readonly program: TracedProgram;
  readonly #source: LoopDisk;
  readonly #scratch: Scratch;
  readonly #frontend: Frontend;
  #device = '';

  /** Serves its virtual device, and copies nothing until it is told to. */
  static async start(scratch: Scratch, frontend: Frontend): Promise<TracedJob> {
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: diskBytes });
    const disks = ['--source', source.path, '--destination', destination.path];
    const how = ['--frontend', frontend, '--unmount-at-cutover', '--state-dir', scratch.stateDirectory];
    const planned = await runCli('plan', ...disks, ...how, '--json');
    const { plan } = plannedSchema.parse(JSON.parse(planned.stdout));
    const directory = join(scratch.stateDirectory, jobsDirectoryName, name);
    const asked = { speed: 'balanced', hold: true, users: { units: [] } } as const;
    const request = { job: name, plan, socketPath: scratch.path('nbd.sock'), ...asked };
    const order: JobOrder = { request, directory, passphrase: undefined, canBeTakenOver: false };
    const program = TracedProgram.start(scratch, jobProgram, [name]);
    await program.message(isReady);
    const message: StartMessage = { kind: 'start', order, build: buildId };
    program.send(message);
    const job = new TracedJob(scratch, frontend, source, program);
    await waitUntil('the job can be paused', () => job.#pause());
    return job;
  }

  private constructor(scratch: Scratch, frontend: Frontend, source: LoopDisk, program: TracedProgram) {
    this.#source = source;
    this.#scratch = scratch;
    this.#frontend = frontend;
    this.program = program;
  }

  ask(request: 'pause' | 'resume' | 'undo'): Promise<JobStatus> {
    return askJob(this.#scratch.stateDirectory, name, request, {});
  }

  /** Reads and writes of all kinds of sizes, whole blocks and parts of blocks, with a flush now and then. */
  async serve(requests: number): Promise<void> {
    const engine =
      this.#frontend === 'fuse'
        ? ['--ioengine=libaio', '--direct=1', `--filename=${this.#device}`]
        : ['--ioengine=nbd', `--uri=${this.#device}`];
    const what = [
      '--rw=randrw',
      '--rwmixread=70',
      '--bssplit=512/10:4k/80:64k/10',
      '--fsync=1000',
      '--iodepth=32',
    ];
    const count = [`--size=${loadBytes}`, '--norandommap', '--io_size=1t', `--number_ios=${requests}`];
    await runCommand(
      'fio',
      ['--name=load', '--output-format=terse', ...engine, ...what, ...count],
      'the load',
    );
  }

  /** The same, and meanwhile a part of the disk is copied. */
  async serveWhileCopying(requests: number): Promise<void> {
    const before = { load: this.#served, source: countersOf(this.#source.path).readBytes };
    const served = this.serve(requests);
    await Promise.race([served, waitUntil('the load has begun', () => this.#served > before.load)]);
    await this.ask('resume');
    const isCopied = (): boolean => countersOf(this.#source.path).readBytes >= before.source + copiedBytes;
    await waitUntil('a part is copied', isCopied);
    await this.ask('pause');
    await served;
  }

  get #served(): number {
    return countersOf(this.#device).readBytes;
  }

  /** Copying is fast without a load: it is stopped before it begins. True when the device is there, too. */
  async #pause(): Promise<boolean> {
    try {
      const { device } = await this.ask('pause');
      this.#device = device ?? '';
      return device !== null;
    } catch (error) {
      if (error instanceof DiskferryError && ['job-missing', 'job-state'].includes(error.code)) return false;
      throw error;
    }
  }
}

/**
 * After a first load, one of two more is served without more collections than that, and nothing grows. What the
 * program makes now and then, for its progress and its messages, may fill up in one of them; what each request
 * made would be collected in both.
 */
async function expectNoGarbage(
  job: TracedJob,
  serve: (requests: number) => Promise<void>,
  collectionsMax = 0,
): Promise<void> {
  await serve(warmUpRequests);
  const residentBytes = await job.program.mark();
  await serve(measuredRequests);
  const grownBytes = (await job.program.mark()) - residentBytes;
  await serve(measuredRequests);
  await job.program.mark();
  await job.ask('undo');
  const { exitCode, ofWorkers } = await job.program.end();
  expect(exitCode).toBe(0);
  expect(ofWorkers).toHaveLength(4);
  const [, first = [], second = []] = ofWorkers;
  const fewer = first.length < second.length ? first : second;
  expect(fewer.slice(collectionsMax)).toEqual([]);
  expect(grownBytes).toBeLessThan(growthBytesMax);
}

describe.skipIf(!isRoot)('the hot path (needs root)', { timeout: testMsMax }, () => {
  it.each(['fuse', 'nbd-socket'] as const)('makes no garbage over %s', async (frontend) => {
    const job = await TracedJob.start(scratchOf(), frontend);
    await expectNoGarbage(job, (requests) => job.serve(requests));
  });

  it('makes no garbage for its requests while copying', async () => {
    const job = await TracedJob.start(scratchOf(), 'fuse');
    const collectionsMax = Math.ceil((copiedPieces * pieceGarbageBytesMax) / mebibyte);
    await expectNoGarbage(job, (requests) => job.serveWhileCopying(requests), collectionsMax);
  });
});

/**
 * A program that begins by making the file of its parameter. After the first mark its thread makes a small
 * object for each of so many requests; after the second the program ends.
 */
const wasteful = (requests: number): string => `
  import { writeFileSync } from 'node:fs';
  import { Worker } from 'node:worker_threads';
  const turn = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(
    \`const { workerData: turn } = require('node:worker_threads');
    const kept = new Array(1);
    Atomics.wait(turn, 0, 0);
    for (let request = 0; request < ${requests}; request += 1) kept[0] = { request };
    Atomics.store(turn, 0, 2);
    Atomics.notify(turn, 0);
    Atomics.wait(turn, 0, 2);\`,
    { eval: true, workerData: turn },
  );
  process.on('message', () => {
    if (turn[0] === 2) return void thread.terminate();
    turn[0] = 1;
    Atomics.notify(turn, 0);
    Atomics.wait(turn, 0, 1);
  });
  process.channel.unref();
  writeFileSync(process.argv[2], '');`;

describe('the trace of collections', () => {
  it('shows one small object for each request', async () => {
    const [path, begun] = [scratchOf().path('wasteful.mjs'), scratchOf().path('begun')];
    writeFileSync(path, wasteful(measuredRequests));
    const program = TracedProgram.start(scratchOf(), path, [begun]);
    await waitUntil('the program has begun', () => existsSync(begun));
    await program.mark();
    await program.mark();
    const { ofWorkers } = await program.end();
    expect(ofWorkers[1]?.length).toBeGreaterThan(0);
  });
});
