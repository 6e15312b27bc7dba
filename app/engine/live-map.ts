/**
 * The live map: a copy of both flag maps in a file on tmpfs, so that a successor goes on when this process is
 * killed (DESIGN 5.3). What has changed is copied right before each hand-over to the kernel, so before any answer
 * that depends on it can leave. Then for every write that was acknowledged its flags are there; a write whose
 * answer was lost comes again, whether or not its flags are.
 *
 * Layout: the words of the flags, then the words of written, then one word: what a flush has failed with, which
 * must not be forgotten either. Each from a multiple of 4096 bytes on.
 */
import type { FlagMap } from '../flags/flag-map.ts';
import { ChangedWords } from '../flags/changed-words.ts';
import type { NativeLiveMap } from '../../native/binding.ts';
import { addon } from '../../native/binding.ts';
import { liveMapBytes, mapBytes } from './live-map-size.ts';

export interface LiveMapSetting {
  /** Open for reading and writing, and as long as `liveMapBytes` says, without holes. */
  readonly fd: number;
  /** A successor begins with what is there; the first one with what it has. */
  readonly isTakenOver: boolean;
  /** Then everything that is flagged counts as written. */
  readonly isAllWritten: boolean;
}

const oneWord = new Int32Array([0, 1]);

export interface LiveMaps {
  readonly flags: FlagMap;
  readonly written: FlagMap;
}

export class LiveMap {
  readonly #native: NativeLiveMap;
  readonly #maps: LiveMaps;
  readonly #changedFlags = new ChangedWords();
  readonly #changedWritten = new ChangedWords();
  readonly #writtenAt: number;
  readonly #failureAt: number;
  readonly #failure = new Int32Array(1);

  constructor({ fd, isTakenOver, isAllWritten }: LiveMapSetting, maps: LiveMaps) {
    const { blockCount } = maps.flags;
    this.#native = new (addon().LiveMap)(fd, liveMapBytes(blockCount));
    this.#maps = maps;
    this.#writtenAt = mapBytes(blockCount);
    this.#failureAt = 2 * mapBytes(blockCount);
    if (isTakenOver) {
      this.#native.load(this.#failure, this.#failureAt);
      maps.flags.load((words) => this.#native.load(words, 0));
      maps.written.load((words) => this.#native.load(words, isAllWritten ? 0 : this.#writtenAt));
    }
    maps.flags.follow(this.#changedFlags);
    maps.written.follow(this.#changedWritten);
  }

  /** What a flush of the dead process had failed with; 0: nothing. */
  get failure(): number {
    return this.#failure[0] as number;
  }

  /** Before every hand-over to the kernel. `failure`: what a flush has failed with so far. */
  publish(failure: number): void {
    const { flags, written } = this.#maps;
    if (failure !== this.#failure[0]) {
      this.#failure[0] = failure;
      this.#native.copy(this.#failure, this.#failureAt, oneWord, 1);
    }
    this.#copy(flags, 0, this.#changedFlags);
    this.#copy(written, this.#writtenAt, this.#changedWritten);
  }

  close(): void {
    this.#native.close();
  }

  #copy(map: FlagMap, at: number, changed: ChangedWords): void {
    if (changed.count === 0) return;
    this.#native.copy(map.words, at, changed.ranges, changed.count);
    changed.clear();
  }
}
