/**
 * Masks or unmasks the identity of one disk while the virtual device is served: the destination's for the
 * commit, the source's for an undo. Goes from place to place (guard-places.ts). Each is claimed like any
 * other operation, so no consumer's write to it is under way; then it is read from the disk itself, inverted
 * if it must be, and written durably; and from then on what is written to it arrives in the new form.
 *
 * Masking begins at the disk's start and unmasking at its end, so that the primary of what there are several of
 * is the first to go and the last to come: whoever knows the disk by it finds all the rest as it must be.
 *
 * The flush at the end is for what shows on the disk itself and has been written over, or discarded, in its
 * cache only: a power cut would bring it back. A flush that has failed before may have lost just that, for
 * good, though reads still see it:
 *
 *   place masked ── consumer writes no identity ── a flush fails ── place is shown: nothing to invert ── power cut
 *                   (in the disk's cache)          (lost)           (read from the cache)       masked still there
 *
 * So after such a loss each place is written durably, inverted or not. When masking, only those that may have
 * shown: because they were written to show, or because the disk shows there what it gets, as after a commit that
 * failed. The others cannot be lost to anything that shows, and a bad place of a disk must keep nobody from going
 * back. Nor does one that refuses this keep the places behind it showing. When the loss comes while a change is
 * under way, it begins again: what it had passed by may be what was lost.
 *
 * What could not be read, and has not been written since, is not tried again where it may be left: a bad place
 * can take a disk a minute, and users may be waiting. When it has shown before, hiding goes on, but does not end well.
 *
 * May be cut off anywhere and asked again: each place is decided on what is found in it.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import { errno } from '../base/errno.ts';
import { assert } from '../base/error.ts';
import { blockBytes } from '../base/units.ts';
import type { Disk, DiskIo, DiskIoClient } from '../devices/disk-io.ts';
import type { GuardPlaces } from '../devices/guard-places.ts';
import { invertSector } from '../devices/guard-places.ts';
import type { MaskedDiskIo } from '../devices/masked-disk-io.ts';
import type { RangeOwner, RangesInFlight } from '../flags/ranges-in-flight.ts';

/** Pool bytes that a MaskChange reserves. */
export const maskChangePoolBytes = blockBytes;
/** Ranges that it holds at once. */
export const maskChangeRanges = 1;

export interface MaskChangeOptions {
  /** The disks themselves, below `masked`. */
  readonly io: DiskIo;
  readonly masked: MaskedDiskIo;
  readonly places: GuardPlaces;
  readonly ranges: RangesInFlight;
  readonly pool: BufferPool;
  readonly logicalBlockBytes: number;
  /** A durable write has failed, and on a disk without FUA with it a flush of all that was written before. */
  readonly durableWriteFailed: (disk: Disk, result: number) => void;
  /** A flush has failed since the engine's start, or may have before it: what reads see may not be durable. */
  readonly mayHaveLost: (disk: Disk) => boolean;
}

export interface WantedMask {
  readonly disk: Disk;
  readonly isMasked: boolean;
  /** A place that cannot be read cannot be recognised either: it is left as it is, and no failure. */
  readonly skipsUnreadable?: boolean | undefined;
}

/** `result` is 0 when the whole disk is so, durably, or a negative errno. */
type Done = (result: number) => void;

const steps = { read: 0, write: 1, flush: 2 } as const;

export class MaskChange implements RangeOwner, DiskIoClient {
  readonly #options: MaskChangeOptions;
  readonly #buffer: number;
  /** By step. */
  readonly #offsets = new Float64Array(Object.keys(steps).length);
  /** Places of either disk that have shown what was written to them, and have not been written so as to hide since. */
  readonly #mayShow: readonly [Uint8Array, Uint8Array];
  /** Whether what is being written is in the wanted form already. */
  #isRepeating = false;
  /** Before this look at it; nothing has been written there since. */
  #wasUnreadable = false;
  /** What such a place was refused with, when hiding. */
  #refused = 0;
  /** When its places were gone through from the first on. */
  #hadLost = false;
  #wanted: WantedMask | undefined;
  #done: Done | undefined;
  #place = 0;
  #left = 0;
  #range = 0;

  constructor(options: MaskChangeOptions) {
    this.#options = options;
    this.#buffer = options.pool.reserve(maskChangePoolBytes);
    this.#mayShow = [new Uint8Array(options.places.count), new Uint8Array(options.places.count)];
  }

  /** One at a time. The disk may be written. */
  start(wanted: WantedMask, done: Done): void {
    assert(this.#done === undefined, 'masks change one disk at a time');
    this.#wanted = wanted;
    this.#done = done;
    this.#begin();
  }

  #begin(): void {
    this.#left = this.#options.places.count;
    this.#refused = 0;
    this.#hadLost = this.#options.mayHaveLost(this.#disk);
    this.#next();
  }

  rangeReady(): void {
    const { io, logicalBlockBytes } = this.#options;
    this.#wasUnreadable = this.#options.masked.isUnreadable(this.#disk, this.#place);
    if (this.#maySkip && this.#wasUnreadable) {
      this.#skip(errno.ioError);
      return;
    }
    const offset = this.#options.places.offsetOf(this.#place);
    this.#offsets.fill(Math.floor(offset / logicalBlockBytes) * logicalBlockBytes);
    io.read(this.#disk, this.#offsets, logicalBlockBytes, this.#buffer, this, steps.read);
  }

  diskOperationDone(step: number, result: number): void {
    if (result < 0 && step !== steps.read) this.#options.durableWriteFailed(this.#disk, result);
    if (step === steps.read) this.#options.masked.setUnreadable(this.#disk, this.#place, result < 0);
    const isSkipped = step === steps.read && result < 0 && this.#maySkip;
    const isPassed = step === steps.write && result < 0 && this.#isRepeating && this.#isWanted.isMasked;
    if (step === steps.flush) this.#flushed(result);
    else if (isSkipped) this.#skip(result);
    else if (isPassed) this.#pass(result);
    else if (result < 0) this.#release(result);
    else if (step === steps.read && this.#mustInvert()) this.#invert();
    else if (step === steps.read && this.#mustRepeat()) this.#repeat();
    else this.#settle(step === steps.write);
  }

  get #disk(): Disk {
    return this.#isWanted.disk;
  }

  get #isWanted(): WantedMask {
    assert(this.#wanted !== undefined, 'a change of masks is under way');
    return this.#wanted;
  }

  get #maySkip(): boolean {
    return this.#isWanted.skipsUnreadable === true;
  }

  get #sectorAt(): number {
    const offset = this.#options.places.offsetOf(this.#place);
    return this.#buffer + offset - (this.#offsets[steps.read] as number);
  }

  #next(): void {
    const { places, ranges } = this.#options;
    if (this.#left === 0) {
      this.#options.io.flush(this.#disk, this, steps.flush);
      return;
    }
    this.#place = this.#isWanted.isMasked ? places.count - this.#left : this.#left - 1;
    const block = Math.floor(places.offsetOf(this.#place) / blockBytes);
    this.#range = ranges.claim(block, block + 1, this, 0);
    if (ranges.isReady(this.#range)) this.rangeReady();
  }

  #mustInvert(): boolean {
    const state = this.#options.places.stateOf(this.#place, this.#options.pool.bytes, this.#sectorAt);
    return state === (this.#isWanted.isMasked ? 'plain' : 'masked');
  }

  /** What the place holds may not be durable, and what it would fall back to may be in the other form. */
  #mustRepeat(): boolean {
    const { disk, isMasked } = this.#isWanted;
    return this.#options.mayHaveLost(disk) && (!isMasked || this.#mayHaveShown(disk));
  }

  #mayHaveShown(disk: Disk): boolean {
    return this.#mayShow[disk][this.#place] === 1 || !this.#options.masked.isMasking(disk, this.#place);
  }

  #invert(): void {
    const { disk, isMasked } = this.#isWanted;
    invertSector(this.#options.pool.bytes, this.#sectorAt);
    if (!isMasked) this.#mayShow[disk][this.#place] = 1;
    this.#isRepeating = false;
    this.#write();
  }

  #repeat(): void {
    this.#isRepeating = true;
    this.#write();
  }

  #write(): void {
    const { io, logicalBlockBytes } = this.#options;
    io.write(this.#disk, this.#offsets, logicalBlockBytes, this.#buffer, true, this, steps.write);
  }

  /** What has shown and cannot be read now is not said to be hidden: the disk may deliver it again. */
  #skip(result: number): void {
    const mayShow = this.#mayShow[this.#disk][this.#place] as number;
    const isSafe = mayShow === 0 && (this.#wasUnreadable || this.#options.masked.isMasking(this.#disk, this.#place));
    if (this.#isWanted.isMasked && !isSafe) this.#pass(result);
    else this.#leave(mayShow);
  }

  /** It is tried again when somebody asks again. */
  #pass(refusal: number): void {
    this.#refused = refusal;
    this.#leave(1);
  }

  /** At the end of all. */
  #flushed(result: number): void {
    if (result < 0) this.#end(result);
    else if (!this.#hadLost && this.#options.mayHaveLost(this.#disk)) this.#begin();
    else this.#end(this.#refused);
  }

  #settle(isWritten = false): void {
    const { disk, isMasked } = this.#isWanted;
    const isHidden = isMasked && (isWritten || !this.#mayHaveShown(disk));
    this.#leave(isHidden ? 0 : 1);
  }

  #leave(mayShow: number): void {
    const { disk, isMasked } = this.#isWanted;
    this.#mayShow[disk][this.#place] = mayShow;
    this.#options.masked.setMasking(disk, this.#place, isMasked);
    this.#left -= 1;
    this.#release(0);
  }

  #release(result: number): void {
    this.#options.ranges.release(this.#range);
    if (result < 0) this.#end(result);
    else this.#next();
  }

  #end(result: number): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(result);
  }
}
