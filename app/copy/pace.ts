/**
 * How fast the copy loop may go beside the consumer.
 *
 * While the consumer is idle every profile copies at full speed. While it is busy, `full` stays so; the others copy
 * one small piece at a time and rest after each for a multiple of the time it took, so that copying has a fixed
 * share of the disks' and the worker's time whatever they are capable of. Slow disks make pieces long and rests longer; the
 * floor keeps the copy going all the same (invariant 11): it never falls under a share of the best rate seen.
 */
import { kibibyte, mebibyte } from '../base/units.ts';

export const speeds = ['gentle', 'balanced', 'full'] as const;
export type Speed = (typeof speeds)[number];

/** The longest piece and the most pieces in flight, of any profile. */
export const pieceBytesMax = mebibyte;
export const piecesMax = 8;

interface Profile {
  readonly pieceBytes: number;
  readonly inFlight: number;
  /** Share of the time that copying takes, between 0 and 1; 1 means no rest. */
  readonly share: number;
  /** The least rate while the consumer is busy, as a share of the best rate seen. */
  readonly floor: number;
}

const unhindered: Profile = { pieceBytes: 512 * kibibyte, inFlight: piecesMax, share: 1, floor: 1 };

const whileBusy: Readonly<Record<Speed, Profile>> = {
  gentle: { pieceBytes: 64 * kibibyte, inFlight: 1, share: 0.06, floor: 0.02 },
  balanced: { pieceBytes: 128 * kibibyte, inFlight: 1, share: 0.2, floor: 0.12 },
  full: unhindered,
};

/** The consumer counts as busy until it has been still for this long. */
const stillAfterUs = 20_000;
/** Rates are measured over windows of this length. */
const windowUs = 50_000;

/** What the pace needs to know of the consumer; the router's meter. */
export interface ConsumerLoad {
  readonly inFlight: number;
  /** Requests done since the start. */
  readonly requests: number;
}

export class Pace {
  readonly #load: ConsumerLoad;
  #speed: Speed;
  #requestsSeen = 0;
  #lastActiveUs = Number.NEGATIVE_INFINITY;
  #restUntilUs = 0;
  #windowStartUs = 0;
  #windowBytes = 0;
  #bestBytesPerUs = 0;

  constructor(speed: Speed, load: ConsumerLoad) {
    this.#speed = speed;
    this.#load = load;
  }

  get speed(): Speed {
    return this.#speed;
  }

  set speed(speed: Speed) {
    this.#speed = speed;
    this.#restUntilUs = 0;
  }

  /** Length of the piece that may start now, or 0 if none may yet. */
  nextPieceBytes(nowUs: number, inFlight: number): number {
    const profile = this.#profile(nowUs);
    if (inFlight >= profile.inFlight) return 0;
    if (profile.share < 1 && nowUs < this.#restUntilUs && !this.#isBelowFloor(nowUs, profile)) return 0;
    return profile.pieceBytes;
  }

  /** How long the loop may sleep, in milliseconds, before a piece may start. */
  restMs(nowUs: number): number {
    return Math.max(0, this.#restUntilUs - nowUs) / 1000;
  }

  pieceDone(nowUs: number, tookUs: number, lengthBytes: number): void {
    const { share } = this.#profile(nowUs);
    this.#restUntilUs = nowUs + (tookUs * (1 - share)) / share;
    this.#windowBytes += lengthBytes;
    const windowLengthUs = nowUs - this.#windowStartUs;
    if (windowLengthUs < windowUs) return;
    // The first window begins in the past of an idle loop and would only measure waiting.
    if (this.#windowStartUs > 0) {
      this.#bestBytesPerUs = Math.max(this.#bestBytesPerUs, this.#windowBytes / windowLengthUs);
    }
    this.#windowStartUs = nowUs;
    this.#windowBytes = 0;
  }

  #profile(nowUs: number): Profile {
    const { requests, inFlight } = this.#load;
    if (requests !== this.#requestsSeen || inFlight > 0) {
      this.#requestsSeen = requests;
      this.#lastActiveUs = nowUs;
    }
    return nowUs - this.#lastActiveUs < stillAfterUs ? whileBusy[this.#speed] : unhindered;
  }

  #isBelowFloor(nowUs: number, profile: Profile): boolean {
    const elapsedUs = nowUs - this.#windowStartUs;
    return this.#windowBytes < elapsedUs * this.#bestBytesPerUs * profile.floor;
  }
}
