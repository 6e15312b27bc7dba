/**
 * Erases a disk, through the descriptor that has claimed it: first its body, last the *proof*, which is all that tells
 * which disk it is and whether anybody has used it since (the sampled parts, the guard's places, both ends). So an
 * erasing that was cut off can be gone on with for as long as that proof stands, and what is left needs a moment only.
 *
 * The proof is always written with zeroes. The body is written too, or discarded: what a disk answers for discarded
 * blocks is its own affair (block/ioctl.c; the kernel knows of no promise any more), so the first piece is read back at
 * once, and more of it before the proof goes. Discarded data is out of reach of whoever reads the disk, not of a laboratory.
 *
 * Progress is told as durable only after a flush. Nothing is allocated per piece.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { BufferPool } from '../base/buffer-pool.ts';
import { DiskferryError, messageOf } from '../base/error.ts';
import { kibibyte, mebibyte } from '../base/units.ts';
import type { Extent } from '../base/units.ts';
import type { EraseMethod } from '../contract/retire.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { OpenDisk } from './open-disk.ts';
import { dropCache } from './open-disk.ts';

/** More than the granularity of any discard that is common, and a multiple of every block. */
const proofBytes = mebibyte;
const writtenPieceBytes = 4 * mebibyte;
/** A disk may take its time for each, and only between two can it be stopped. */
const discardedPieceBytes = 256 * mebibyte;
const sampleBytes = 64 * kibibyte;
const samplesMax = 512;
const keepEveryMs = 5000;

export interface ErasableParts {
  readonly sizeBytes: number;
  /** What is erased first, ascending. */
  readonly body: readonly Extent[];
  readonly proof: readonly Extent[];
}

/** `proof`: parts that tell something; whole MiB around them, and both ends of the disk, are left for the end. Pure. */
export function partsToErase(sizeBytes: number, proof: readonly Extent[]): ErasableParts {
  const ends = [0, Math.max(0, sizeBytes - 1)].map((offsetBytes) => ({ offsetBytes, lengthBytes: 1 }));
  const wide = [...proof, ...ends].map(({ offsetBytes, lengthBytes }) => ({
    first: Math.floor(offsetBytes / proofBytes) * proofBytes,
    end: Math.min(sizeBytes, Math.ceil((offsetBytes + lengthBytes) / proofBytes) * proofBytes),
  }));
  wide.sort((one, other) => one.first - other.first);
  const parts = { sizeBytes, body: [] as Extent[], proof: [] as Extent[] };
  let at = 0;
  for (const { first, end } of wide) {
    if (first > at) parts.body.push({ offsetBytes: at, lengthBytes: first - at });
    if (end > at) parts.proof.push({ offsetBytes: Math.max(first, at), lengthBytes: end - Math.max(first, at) });
    at = Math.max(at, end);
  }
  return parts;
}

export function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

export interface EraserOptions {
  readonly path: string;
  readonly disk: OpenDisk;
  readonly parts: ErasableParts;
  /** Takes effect between two pieces; throws `erase-interrupted` then. */
  readonly signal: AbortSignal;
  readonly tell: (phase: 'erasing' | 'reading-back', doneBytes: number, totalBytes: number) => void;
}

export class Eraser {
  readonly #options: EraserOptions;
  readonly #zeroes = alignedBytes();
  readonly #buffer = alignedBytes();
  /** What was written before it may be lost, also where a later flush ends well. */
  #hasFlushFailed = false;

  constructor(options: EraserOptions) {
    this.#options = options;
  }

  /**
   * `fromBytes` of the body have been erased before. `keep` is told how much is, durable, now and then and whenever this
   * ends before its end.
   */
  async eraseBody(method: EraseMethod, fromBytes: number, keep: (doneBytes: number) => Promise<void>): Promise<void> {
    const { parts } = this.#options;
    let [done, keptMs, isChecked] = [fromBytes, performance.now(), method === 'overwrite'];
    const pieceBytes = method === 'overwrite' ? writtenPieceBytes : discardedPieceBytes;
    try {
      for (const piece of piecesOf(parts.body, fromBytes, pieceBytes)) {
        await this.#pause();
        await this.#erase(method, piece);
        // Before all of the disk is discarded for nothing.
        if (!isChecked) await this.#requireZero({ ...piece, lengthBytes: Math.min(piece.lengthBytes, writtenPieceBytes) });
        isChecked = true;
        done += piece.lengthBytes;
        this.#options.tell('erasing', done, parts.sizeBytes);
        if (performance.now() - keptMs < keepEveryMs) continue;
        await this.#keep(done, keep);
        keptMs = performance.now();
      }
    } catch (error) {
      if (!this.#hasFlushFailed) await this.#keep(done, keep).catch(() => undefined);
      throw error;
    }
    await this.#keep(done, keep);
  }

  /** At both ends of its parts and between, or all of it. Returns how much; throws `erase-incomplete`. */
  async readBodyBack(all: boolean): Promise<number> {
    const { body } = this.#options.parts;
    const samples = samplesOf(body);
    const totalBytes = bytesOf(all ? body : samples);
    let done = 0;
    for (const extent of all ? piecesOf(body, 0, writtenPieceBytes) : samples) {
      await this.#pause();
      await this.#requireZero(extent);
      done += extent.lengthBytes;
      this.#options.tell('reading-back', done, totalBytes);
    }
    return done;
  }

  /**
   * When all else is erased and was read back: from here on nothing tells any more what the disk was. Cannot be stopped,
   * because it is short. Durable when it resolves and read back, and no cache remembers anything. Returns how much it is.
   */
  async eraseProof(): Promise<number> {
    const { disk, parts } = this.#options;
    for (const piece of piecesOf(parts.proof, 0, writtenPieceBytes)) await this.#write(piece);
    await this.#flush();
    await dropCache(disk);
    for (const piece of piecesOf(parts.proof, 0, writtenPieceBytes)) await this.#requireZero(piece);
    return bytesOf(parts.proof);
  }

  /** Whether samples of the body are all zeroes, and with `all` the whole proof, too. */
  async isZero(all: boolean): Promise<boolean> {
    const { body, proof } = this.#options.parts;
    for (const extent of [...samplesOf(body), ...(all ? piecesOf(proof, 0, writtenPieceBytes) : [])]) {
      if ((await this.#firstOther(extent)) !== undefined) return false;
    }
    return true;
  }

  /** Signals are heard between two pieces. */
  async #pause(): Promise<void> {
    await turn();
    const { signal, path } = this.#options;
    if (!signal.aborted) return;
    throw new DiskferryError('erase-interrupted', `${path}: its erasing was interrupted`, { context: { device: path } });
  }

  async #erase(method: EraseMethod, piece: Extent): Promise<void> {
    if (method === 'overwrite') await this.#write(piece);
    else await this.#attempt('discard', piece, () => this.#discard(piece));
  }

  #discard({ offsetBytes, lengthBytes }: Extent): Promise<void> {
    return addon().blockDiscard(this.#options.disk.handle.fd, offsetBytes, lengthBytes);
  }

  async #write(piece: Extent): Promise<void> {
    const zeroes = this.#zeroes.subarray(0, piece.lengthBytes);
    await this.#attempt('write', piece, async () => {
      for (let done = 0; done < piece.lengthBytes;) {
        const { handle } = this.#options.disk;
        done += (await handle.write(zeroes, done, piece.lengthBytes - done, piece.offsetBytes + done)).bytesWritten;
      }
    });
  }

  /** Where in the extent, of one buffer's length at the most, something else than zero is. */
  async #firstOther(extent: Extent): Promise<number | undefined> {
    const bytes = this.#buffer.subarray(0, extent.lengthBytes);
    // What a read leaves as it was must not pass for a zero.
    bytes.fill(0xff);
    await this.#attempt('read', extent, async () => {
      for (let done = 0; done < bytes.length;) {
        const { handle } = this.#options.disk;
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, extent.offsetBytes + done);
        if (bytesRead === 0) throw new Error('the disk ends there');
        done += bytesRead;
      }
    });
    if (Buffer.compare(bytes, this.#zeroes.subarray(0, bytes.length)) === 0) return undefined;
    return extent.offsetBytes + bytes.findIndex((byte) => byte !== 0);
  }

  async #keep(done: number, keep: (doneBytes: number) => Promise<void>): Promise<void> {
    await this.#flush();
    await keep(done);
  }

  async #flush(): Promise<void> {
    const whole = { offsetBytes: 0, lengthBytes: this.#options.parts.sizeBytes };
    this.#hasFlushFailed = true;
    await this.#attempt('flush', whole, () => this.#options.disk.handle.datasync());
    this.#hasFlushFailed = false;
  }

  async #attempt(what: string, { offsetBytes, lengthBytes }: Extent, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (cause) {
      const { path } = this.#options;
      const why = isAddonError(cause) ? cause.code : messageOf(cause);
      const message = `${path}: ${what} of ${lengthBytes} bytes at ${offsetBytes} failed: ${why}`;
      throw new DiskferryError('erase-failed', message, { context: { device: path }, cause });
    }
  }

  async #requireZero(extent: Extent): Promise<void> {
    const at = await this.#firstOther(extent);
    if (at === undefined) return;
    const { path } = this.#options;
    const message = `${path}: is not erased: at ${at} it does not read as zeroes`;
    throw new DiskferryError('erase-incomplete', message, { context: { device: path } });
  }
}

/** For direct I/O. */
function alignedBytes(): Uint8Array {
  return new BufferPool(writtenPieceBytes, (view) => addon().misalignmentBytes(view)).bytes;
}

function* piecesOf(extents: readonly Extent[], fromBytes: number, pieceBytes: number): Generator<Extent> {
  let skipped = fromBytes;
  for (const { offsetBytes, lengthBytes } of extents) {
    const first = Math.min(skipped, lengthBytes);
    skipped -= first;
    for (let done = first; done < lengthBytes; done += pieceBytes)
      yield { offsetBytes: offsetBytes + done, lengthBytes: Math.min(pieceBytes, lengthBytes - done) };
  }
}

/** At both ends of each extent, where a discard may leave remains, and evenly between. Ascending within each. */
function samplesOf(extents: readonly Extent[]): Extent[] {
  const stepBytes = Math.max(sampleBytes, Math.ceil(bytesOf(extents) / samplesMax / sampleBytes) * sampleBytes);
  return extents.flatMap(({ offsetBytes, lengthBytes }) => {
    const samples: Extent[] = [];
    const last = Math.max(0, lengthBytes - sampleBytes);
    for (let at = 0; at < last; at += stepBytes)
      samples.push({ offsetBytes: offsetBytes + at, lengthBytes: sampleBytes });
    samples.push({ offsetBytes: offsetBytes + last, lengthBytes: Math.min(sampleBytes, lengthBytes) });
    return samples;
  });
}
