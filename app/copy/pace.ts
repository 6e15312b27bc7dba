/**
 * How fast the copy loop may go beside the consumer. While the consumer is idle, every speed is the fastest.
 * While it is busy:
 *
 * - `full` never rests and has as many pieces under way as the consumer has requests: in queues that all
 *   share, it gets its part beside many requests, and does not bury a few. Beside a few that end quickly its pieces
 *   are short, because each of them waits for those in front of it.
 * - `balanced` and `gentle` start one piece and rest before the next, so that the copy has a fixed share of
 *   the best rate that these disks have shown. How long the piece really took does not count beyond that: for
 *   the rest it has waited for the consumer's requests and flushes, and resting for that too would bring the
 *   copy to a stop beside a consumer that never rests itself (invariant 11). For the same reason a second one
 *   may start while the first still waits.
 * - Such a piece is as long as the disks carry in half the time that a request takes on average: a request
 *   that meets the copy takes about twice as long as usual. Where seeks make requests slow, pieces are large
 *   by that, and seeks few.
 *
 * The best rate is what was last seen while the consumer was idle, or what was reached beside it if that was
 * more. If nothing was seen yet, all pieces are under way at once for a moment, to see.
 *
 * The time is passed as the clock that holds it: a large number that is passed by value would be allocated.
 */
import { blockBytes, kibibyte, mebibyte } from '../base/units.ts';

export const speeds = ['gentle', 'balanced', 'full'] as const;
export type Speed = (typeof speeds)[number];

/** The longest piece and the most pieces in flight, of any speed. */
export const pieceBytesMax = mebibyte;
export const piecesMax = 8;

/** The share of the best rate that the copy has beside the consumer; 1 means no rest. */
const shares: Readonly<Record<Speed, number>> = { gentle: 0.03, balanced: 0.2, full: 1 };

/** Beside the consumer below `full`; smaller ones cost more than they carry. */
export const considerateBytesMin = 192 * kibibyte;
/** One is read while another is written. */
const consideratePiecesMax = 2;
/** At `full` beside a busy consumer: with fewer, a disk waits between two pieces. */
const streamPiecesMin = 3;

/** So many requests are few. */
const fewRequestsMax = 4;
/** On average; where requests take longer it is seeks that cost time, and short pieces would make more of them. */
const quickRequestUsMax = 2000;
const shortPieceBytes = 256 * kibibyte;

/** The consumer counts as busy until it has been still for this long. */
const stillAfterUs = 20_000;
/** Latencies are averaged over at least this many requests. */
const requestsAveraged = 32;
/** A rate is measured from the moment when pieces are under way until none is, or for this long. */
const stretchUsMax = 50_000;

/** What the pace needs to know of the consumer; the router's meter. */
export interface ConsumerLoad {
  readonly inFlight: number;
  /** Requests done since the start. */
  readonly requests: number;
  /** How long all of these took together. */
  readonly totalLatencyUs: number;
}

export class Pace {
  readonly #load: ConsumerLoad;
  #speed: Speed;
  #inFlight = 0;

  // The consumer.
  #requestsSeen = 0;
  #lastActiveUs = Number.NEGATIVE_INFINITY;
  #averagedRequests = 0;
  #averagedUs = 0;
  #meanLatencyUs = 0;

  // The piece that was started last, and the rest after it.
  #pieceBytes = 0;
  #pieceStartUs = 0;
  #restUntilUs = 0;

  // The disks.
  #stretchBytes = 0;
  #stretchStartUs = 0;
  /**
   * With no piece under way. Otherwise what ends soon afterwards was carried before, and would look too fast.
   */
  #beganStill = true;
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
  nextPieceBytes(clockUs: Float64Array): number {
    if (!this.#isConsumerBusy(clockUs)) return this.#largePiece(piecesMax);
    if (this.#speed === 'full') return this.#streamPiece();
    if (this.#bestBytesPerUs === 0) return this.#largePiece(piecesMax);
    return this.#inFlight < consideratePiecesMax && this.restUs(clockUs) === 0 ? this.#consideratePiece() : 0;
  }

  /**
   * How long it is until a piece may start, if only the clock is in the way, else 0. In whole microseconds.
   */
  restUs(clockUs: Float64Array): number {
    if (this.#inFlight >= (this.#speed === 'full' ? 1 : consideratePiecesMax)) return 0;
    const untilUs = Math.min(this.#restUntilUs, this.#lastActiveUs + stillAfterUs);
    return Math.ceil(Math.max(0, untilUs - (clockUs[0] as number)));
  }

  /** A piece has started that may have had `allowedBytes`. */
  pieceStarted(clockUs: Float64Array, allowedBytes: number): void {
    if (this.#inFlight === 0) this.#startStretch(clockUs, true);
    this.#inFlight += 1;
    this.#pieceStartUs = clockUs[0] as number;
    this.#pieceBytes = allowedBytes;
    this.#rest(Number.POSITIVE_INFINITY);
  }

  pieceDone(clockUs: Float64Array, lengthBytes: number): void {
    this.#inFlight -= 1;
    this.#stretchBytes += lengthBytes;
    const isOver = this.#inFlight === 0 && this.#beganStill;
    if (isOver || (clockUs[0] as number) - this.#stretchStartUs >= stretchUsMax) this.#endStretch(clockUs);
    if (this.#inFlight === 0) this.#rest((clockUs[0] as number) - this.#pieceStartUs);
  }

  #isConsumerBusy(clockUs: Float64Array): boolean {
    const nowUs = clockUs[0] as number;
    const { requests, inFlight } = this.#load;
    if (requests !== this.#requestsSeen || inFlight > 0) {
      this.#requestsSeen = requests;
      this.#lastActiveUs = nowUs;
    }
    return nowUs - this.#lastActiveUs < stillAfterUs;
  }

  #largePiece(inFlightMax: number): number {
    return this.#inFlight < Math.min(piecesMax, inFlightMax) ? pieceBytesMax : 0;
  }

  #streamPiece(): number {
    const { inFlight } = this.#load;
    const bytes = this.#largePiece(Math.max(streamPiecesMin, inFlight));
    const isShort = inFlight <= fewRequestsMax && this.#meanRequestUs() <= quickRequestUsMax;
    return isShort ? Math.min(bytes, shortPieceBytes) : bytes;
  }

  #consideratePiece(): number {
    const bytes = Math.round((this.#bestBytesPerUs * this.#meanRequestUs()) / 2 / blockBytes) * blockBytes;
    return Math.min(pieceBytesMax, Math.max(considerateBytesMin, bytes));
  }

  #meanRequestUs(): number {
    const { requests, totalLatencyUs } = this.#load;
    const count = requests - this.#averagedRequests;
    if (count >= requestsAveraged) {
      this.#meanLatencyUs = (totalLatencyUs - this.#averagedUs) / count;
      this.#averagedRequests = requests;
      this.#averagedUs = totalLatencyUs;
    }
    return this.#meanLatencyUs;
  }

  /** After the piece that was started last, which has taken so long. */
  #rest(elapsedUs: number): void {
    const countedUs = Math.min(elapsedUs, this.#pieceBytes / this.#bestBytesPerUs);
    this.#restUntilUs = this.#pieceStartUs + countedUs / shares[this.#speed];
  }

  #startStretch(clockUs: Float64Array, beginsStill: boolean): void {
    this.#beganStill = beginsStill;
    this.#stretchStartUs = clockUs[0] as number;
    this.#stretchBytes = 0;
  }

  #endStretch(clockUs: Float64Array): void {
    const rate = this.#stretchBytes / Math.max(1, (clockUs[0] as number) - this.#stretchStartUs);
    const least = this.#isConsumerBusy(clockUs) ? this.#bestBytesPerUs : 0;
    this.#bestBytesPerUs = Math.max(least, rate);
    this.#startStretch(clockUs, false);
  }
}
