/**
 * What a successor finds when the process that served a job was killed: on tmpfs, where it survives the process
 * and not the machine. One directory for each job:
 *
 *   state.json   which job, boot and process, what the process was about, and the virtual device
 *   maps         the live map (live-map.ts)
 *   fence        locked until the last request of the process has ended, also one that is still with a disk when
 *                the process is gone; whoever has the lock may serve the job, and nobody else
 *
 * A successor takes the fence before it opens a disk. What is of another job, boot or size is refused. Whoever clears away
 * what dead jobs have left asks here whether a device is waiting for a successor.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { DiskferryError, messageOf } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import { speedSchema } from '../contract/plan.ts';
import { isProcessAlive, lockHolder } from '../devices/lock-holder.ts';
import type { LockHolder } from '../devices/lock-holder.ts';
import { addon, tryLock } from '../../native/binding.ts';
import { liveMapBytes } from './live-map-size.ts';
import type { LiveSetting } from './messages.ts';

const tmpfsMagic = 0x01021994;
const pieceBytes = 1024 * 1024;
const fencePollMs = 20;
const fenceToldMs = 2000;
/** Of no process. */
const nobody = 0;

const stateSchema = z.object({
  version: z.literal(1),
  job: z.string(),
  bootId: z.string(),
  processId: z.int(),
  /** Who starts a successor when that process dies; absent in what an older program has left, which has none. */
  supervisorId: z.int().optional(),
  sizeBytes: z.int(),
  /** `changing`: users and devices are on their way from one place to another, which only that process knew. */
  phase: z.enum(['serving', 'undoing', 'changing']),
  device: z.string(),
  isPaused: z.boolean(),
  speed: speedSchema,
  /** Of the volume, from its start: so much at the most users reach past the engine, by device-mapper. */
  directBytes: z.int(),
});
type StoredState = z.infer<typeof stateSchema>;
export type LivePhase = StoredState['phase'];
/** What changes while a job runs. */
export type LiveState = Pick<StoredState, 'phase' | 'device' | 'isPaused' | 'speed' | 'directBytes'>;

export interface LiveFilesOptions {
  readonly job: string;
  /** Of the volume. */
  readonly sizeBytes: number;
}

export interface TakeOverOptions extends LiveFilesOptions {
  /** Requests of the dead process are still with a disk after a while. */
  readonly onWait: () => void;
  /** Other places than the system's. */
  readonly places?: readonly string[];
}

/** Temporary file systems in memory; those of root's are nobody else's business. */
function systemPlaces(): readonly string[] {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? ['/run/diskferry', '/dev/shm/diskferry'] : [`/dev/shm/diskferry-${uid}`];
}

export class LiveFiles {
  readonly #directory: string;
  readonly #options: LiveFilesOptions;
  readonly #fenceFd: number;
  readonly #mapsFd: number;
  /** What the dead process was about, for a successor. */
  readonly found: LiveState | undefined;

  /** Throws `takeover-impossible` where no memory for it is to be had; the job can go on without. */
  static async make(options: LiveFilesOptions, places = systemPlaces()): Promise<LiveFiles> {
    const directory = makeDirectory(options.job, places);
    try {
      await fill(join(directory, 'maps'), bytesOf(options));
      const fenceFd = openSync(join(directory, 'fence'), 'wx', 0o600);
      addon().lockExclusive(fenceFd);
      return new LiveFiles(directory, options, fenceFd);
    } catch (cause) {
      rmSync(directory, { recursive: true, force: true });
      throw impossible(`${directory}: ${messageOf(cause)}`, cause);
    }
  }

  /** Returns when no request of the dead process is in flight any more. Throws `takeover-refused`. */
  static async takeOver({ onWait, places, ...options }: TakeOverOptions): Promise<LiveFiles> {
    const directory = findDirectory(options.job, places ?? systemPlaces());
    const fenceFd = openSync(join(directory, 'fence'), 'r');
    try {
      await takeFence(fenceFd, { directory, options, onWait });
      const { size } = await stat(join(directory, 'maps'));
      const wanted = bytesOf(options);
      if (size !== wanted) throw refused(directory, `its maps have ${size} bytes instead of ${wanted}`);
      const found = readState(directory, options);
      if (found.phase === 'changing')
        throw refused(directory, 'its process died while the users of the volume were changing places');
      const files = new LiveFiles(directory, options, fenceFd, found);
      files.save(found);
      return files;
    } catch (error) {
      closeSync(fenceFd);
      throw error;
    }
  }

  /** Of a job that nobody takes over any more. */
  static discard(job: string, places = systemPlaces()): void {
    for (const place of places) rmSync(join(place, job), { recursive: true, force: true });
  }

  /**
   * Somebody serves the job, or a request of the process that did is still with a disk. Whoever waits for the
   * fence at this very moment tries again.
   */
  static isHeld(job: string, places = systemPlaces()): boolean {
    return fencesOf(job, places).some(isFenceHeld);
  }

  /** Which of the two, where that can be known; undefined when neither. */
  static holder(job: string, places = systemPlaces()): LockHolder | undefined {
    const held = fencesOf(job, places).find(isFenceHeld);
    return held === undefined ? undefined : lockHolder(held);
  }

  /** The device is that of another job than `except` which is served, or will be by a successor. */
  static isAwaited(device: string, except: string | undefined, places = systemPlaces()): boolean {
    const directories = places.flatMap((place) => jobsIn(place).map((job) => ({ job, directory: join(place, job) })));
    return directories.some(({ job, directory }) => {
      const state = job === except ? undefined : stateIn(directory);
      if (state?.device !== device || state.bootId !== readBootId()) return false;
      return [state.processId, state.supervisorId].some((id) => id !== undefined && isProcessAlive(id));
    });
  }

  private constructor(directory: string, options: LiveFilesOptions, fenceFd: number, found?: LiveState) {
    this.#directory = directory;
    this.#options = options;
    this.#fenceFd = fenceFd;
    this.found = found;
    this.#mapsFd = openSync(join(directory, 'maps'), 'r+');
  }

  /** For the worker, which closes the fence's descriptor. */
  get setting(): LiveSetting {
    const { found } = this;
    const isDirect = found !== undefined && found.directBytes > 0;
    return {
      fd: this.#mapsFd,
      fenceFd: this.#fenceFd,
      isTakenOver: found !== undefined,
      // What comes back to the source is not all there when a process dies in the middle; what goes direct may be written
      // at any moment.
      isAllWritten: found?.phase === 'undoing' || isDirect,
      isDirect,
    };
  }

  /** There whole, or as before. */
  save({ phase, device, isPaused, speed, directBytes }: LiveState): void {
    const { job, sizeBytes } = this.#options;
    const state: StoredState = {
      ...{ version: 1, job, bootId: readBootId(), sizeBytes },
      ...{ processId: process.pid, supervisorId: process.connected ? process.ppid : nobody },
      ...{ phase, device, isPaused, speed, directBytes },
    };
    const path = join(this.#directory, 'state.json');
    writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** The job has ended. */
  remove(): void {
    closeSync(this.#mapsFd);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function bytesOf({ sizeBytes }: LiveFilesOptions): number {
  return liveMapBytes(Math.ceil(sizeBytes / blockBytes));
}

function makeDirectory(job: string, places: readonly string[]): string {
  const reasons: string[] = [];
  for (const place of places) {
    try {
      // The service's socket lies there too: others may pass, and see nothing.
      mkdirSync(place, { recursive: true, mode: 0o711 });
      if (statfsSync(place).type === tmpfsMagic) {
        const directory = join(place, job);
        mkdirSync(directory, { mode: 0o700 });
        return directory;
      }
      reasons.push(`${place} is not in memory`);
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw impossible(reasons.join('; '));
}

/** With room for all of it and not only made longer: a hole would be filled later, when there may be none. */
async function fill(path: string, lengthBytes: number): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    if (addon().allocate(handle.fd, lengthBytes)) return;
    const zeroes = new Uint8Array(pieceBytes);
    for (let at = 0; at < lengthBytes; at += pieceBytes)
      await handle.write(zeroes, 0, Math.min(pieceBytes, lengthBytes - at));
  } finally {
    await handle.close();
  }
}

function findDirectory(job: string, places: readonly string[]): string {
  for (const place of places) {
    const directory = join(place, job);
    if (existsSync(directory)) return directory;
  }
  throw refused(job, 'it has left no live map');
}

interface Fence {
  readonly directory: string;
  readonly options: LiveFilesOptions;
  readonly onWait: () => void;
}

/** Without limit: a disk may be stalled for long. But not for a process that lives. */
async function takeFence(fd: number, { directory, options, onWait }: Fence): Promise<void> {
  const startMs = performance.now();
  let isTold = false;
  while (!tryLock(fd)) {
    const { processId } = readStored(directory, options);
    if (isProcessAlive(processId)) throw refused(directory, `process ${processId} serves the job`);
    if (!isTold && performance.now() - startMs > fenceToldMs) {
      isTold = true;
      onWait();
    }
    await sleep(fencePollMs);
  }
}

function fencesOf(job: string, places: readonly string[]): string[] {
  return places.map((place) => join(place, job, 'fence'));
}

function jobsIn(place: string): string[] {
  return existsSync(place) ? readdirSync(place) : [];
}

/** Undefined where it cannot be understood, and where it has just gone. */
function stateIn(directory: string): StoredState | undefined {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')));
  } catch {
    return undefined;
  }
}

function isFenceHeld(path: string): boolean {
  if (!existsSync(path)) return false;
  const fd = openSync(path, 'r');
  try {
    return !tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

function readState(directory: string, options: LiveFilesOptions): LiveState {
  const { phase, device, isPaused, speed, directBytes } = readStored(directory, options);
  return { phase, device, isPaused, speed, directBytes };
}

function readStored(directory: string, { job, sizeBytes }: LiveFilesOptions): StoredState {
  let state: StoredState;
  try {
    state = stateSchema.parse(JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8')));
  } catch (cause) {
    throw refused(directory, `its state cannot be read: ${messageOf(cause)}`);
  }
  if (state.job !== job) throw refused(directory, `it is of the job ${state.job}`);
  if (state.bootId !== readBootId()) throw refused(directory, 'it is of an earlier start of this machine');
  if (state.sizeBytes !== sizeBytes) throw refused(directory, `it is of a volume of ${state.sizeBytes} bytes`);
  return state;
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function refused(what: string, why: string): DiskferryError {
  return new DiskferryError('takeover-refused', `${what}: the job cannot be taken over: ${why}`);
}

function impossible(why: string, cause?: unknown): DiskferryError {
  return new DiskferryError('takeover-impossible', `no memory that outlives the process: ${why}`, { cause });
}
