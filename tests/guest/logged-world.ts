/**
 * Source, destination and the disk of the job's state as three parts of one disk, whose writes dm-log-writes keeps in
 * one order: a power cut hits all three at the same moment. The parts, and what a job knows them by, stay as they are
 * while what lies in them is put back to such a moment.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { mebibyte, sectorBytes } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { findMount, makeFileSystem, mount, unmount } from '../system/support/file-system.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { attachLoopDisk, makeLoopDisk } from '../system/support/loop-disk.ts';
import type { Scratch } from '../system/support/scratch.ts';
import { WriteLog } from './write-log.ts';

const bootIdPath = '/proc/sys/kernel/random/boot_id';
const stateBytes = 48 * mebibyte;
const logged = 'cut-logged';
const stateDevice = '/dev/mapper/cut-state';

export class LoggedWorld {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly #scratch: Scratch;
  readonly #world: LoopDisk;
  readonly #log: LoopDisk;
  readonly #parts: readonly Part[];

  /** The state directory is there; source and destination are empty. */
  static async make(scratch: Scratch, diskBytes: number): Promise<LoggedWorld> {
    const parts = partsOf(diskBytes);
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    const world = await makeLoopDisk(scratch, 'world', { sizeBytes });
    const log = await makeLoopDisk(scratch, 'log', { sizeBytes: 4 * sizeBytes });
    await create(scratch, logged, `0 ${sizeBytes / sectorBytes} log-writes ${world.path} ${log.path}`);
    for (const part of parts) await create(scratch, part.name, linear(part, `/dev/mapper/${logged}`));
    const [source, destination] = [
      await attachPart(scratch, 'cut-source', diskBytes),
      await attachPart(scratch, 'cut-destination', diskBytes),
    ];
    await makeFileSystem('ext4', stateDevice);
    const made = new LoggedWorld(scratch, { source, destination, world, log, parts });
    await made.#mountState();
    scratch.onRelease('the state', () => made.#unmountState());
    return made;
  }

  private constructor(scratch: Scratch, { source, destination, world, log, parts }: Made) {
    this.#scratch = scratch;
    [this.source, this.destination, this.#world, this.#log, this.#parts] = [source, destination, world, log, parts];
  }

  /** All that has been flushed so far is before it. */
  async mark(name: string): Promise<void> {
    await runCommand('dmsetup', ['message', logged, '0', `mark ${name}`], 'marking');
  }

  /** From now on nothing is kept. Everything that was kept is there. */
  async endLog(): Promise<WriteLog> {
    await this.#unmountState();
    for (const { path } of [this.source, this.destination]) await flush(path);
    for (const part of this.#parts) {
      await flush(`/dev/mapper/${part.name}`);
      await runCommand('dmsetup', ['load', part.name, '--table', linear(part, this.#world.path)], 'dmsetup load');
      await runCommand('dmsetup', ['resume', part.name], 'dmsetup resume');
    }
    await remove(logged);
    await flush(this.#log.path);
    return new WriteLog(this.#log.file);
  }

  /** The machine has lost its power there, and has been started again. */
  async cutAt(log: WriteLog, count: number): Promise<void> {
    await this.#unmountState();
    const { file, sizeBytes } = this.#world;
    await runCommand('fallocate', ['--punch-hole', '--offset', '0', '--length', String(sizeBytes), file], 'emptying');
    log.replay(count, file);
    for (const path of [this.source.path, this.destination.path, ...this.#parts.map(({ name }) => `/dev/mapper/${name}`)])
      await flush(path);
    await this.#startAgain();
    await this.#mountState();
  }

  /** As far as a job can know. */
  async #startAgain(): Promise<void> {
    const file = this.#scratch.path(`boot-id-${randomUUID()}`);
    writeFileSync(file, `${randomUUID()}\n`);
    await runCommand('mount', ['--bind', file, bootIdPath], 'another boot');
    this.#scratch.onRelease(file, () => runCommand('umount', [bootIdPath], 'this boot').then(() => {}));
  }

  async #mountState(): Promise<void> {
    await mount(stateDevice, await this.#scratch.makeDirectory('state'));
  }

  async #unmountState(): Promise<void> {
    const { stateDirectory } = this.#scratch;
    if ((await findMount(stateDirectory)) !== undefined) await unmount(stateDirectory);
  }
}

interface Part {
  readonly name: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

interface Made {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly world: LoopDisk;
  readonly log: LoopDisk;
  readonly parts: readonly Part[];
}

function partsOf(diskBytes: number): Part[] {
  return [
    { name: 'cut-source', startBytes: 0, sizeBytes: diskBytes },
    { name: 'cut-destination', startBytes: diskBytes, sizeBytes: diskBytes },
    { name: 'cut-state', startBytes: 2 * diskBytes, sizeBytes: stateBytes },
  ];
}

function linear({ startBytes, sizeBytes }: Part, below: string): string {
  return `0 ${sizeBytes / sectorBytes} linear ${below} ${startBytes / sectorBytes}`;
}

async function create(scratch: Scratch, name: string, table: string): Promise<void> {
  await runCommand('dmsetup', ['create', name, '--table', table], `dmsetup create ${name}`);
  scratch.onRelease(name, () => remove(name));
}

async function remove(name: string): Promise<void> {
  if (existsSync(`/dev/mapper/${name}`)) await runCommand('dmsetup', ['remove', '--retry', name], 'dmsetup remove');
}

async function attachPart(scratch: Scratch, name: string, sizeBytes: number): Promise<LoopDisk> {
  const disk = await attachLoopDisk(`/dev/mapper/${name}`, sizeBytes);
  scratch.onRelease(disk.path, () => runCommand('losetup', ['--detach', disk.path], 'losetup').then(() => {}));
  return disk;
}

/** Writes what is in the page cache, and forgets it. */
async function flush(path: string): Promise<void> {
  await runCommand('blockdev', ['--flushbufs', path], 'flushing');
}
