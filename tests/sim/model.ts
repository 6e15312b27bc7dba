/**
 * What the consumer may see, worked out from its own requests alone. For every sector the model knows the
 * requests that changed it, in the order of their arrival, and when each was answered.
 *
 *   invariant 1   a read returns the last change answered before it began, or a later one; changes that overlap
 *                 take effect in the order of their arrival
 *   failed        a write that was answered with an error may have happened or not, sector by sector
 *   discarded     anything may be read until the next write; but a discard that is under way or failed has not
 *                 happened or left what a disk makes of discarded sectors
 *   invariant 2   after a power cut a sector holds the last write that was FUA or that a flush made durable, or a
 *                 later one; whichever it is, it stays so
 */
import { describeStamp, firstWrittenStamp, junkStamp, originalStamp, zeroes } from './stamps.ts';
import { Violation } from './violation.ts';

export type ChangeKind = 'write' | 'write zeroes' | 'discard';

interface Change {
  readonly kind: ChangeKind;
  readonly firstSector: number;
  readonly sectorCount: number;
  readonly fua: boolean;
  /** Sector n of a write is stamped `firstStamp + n - firstSector`. */
  readonly firstStamp: number;
  /** When it was answered well, in the model's own time; never, if it was not. */
  doneAt: number;
}

/** Which changes have happened for certain. */
interface Settled {
  readonly doneBefore: number;
  readonly fuaDoneBefore: number;
}

const none = -1;
const never = Number.POSITIVE_INFINITY;

export class Model {
  readonly #changes: Change[] = [];
  /** The latest change of each sector, as an index of `#nodes…`, and from there back to earlier ones. */
  readonly #latest: Int32Array;
  /** What each sector held before its first change: at the start, or after the last power cut. */
  readonly #before: Uint32Array;
  #nodeChange = new Int32Array(1024);
  #nodeEarlier = new Int32Array(1024);
  #nodeCount = 0;
  #nextStamp = firstWrittenStamp;
  #time = 0;
  /** Changes done before this time are durable. */
  #durableBefore = 0;

  constructor(sectorCount: number) {
    this.#latest = new Int32Array(sectorCount).fill(none);
    this.#before = Uint32Array.from({ length: sectorCount }, (_, sector) => originalStamp(sector));
  }

  /** The model's own time: it goes on with every request that begins or ends. */
  tick(): number {
    this.#time += 1;
    return this.#time;
  }

  /** A change has arrived. Returns its number. */
  begin(kind: ChangeKind, firstSector: number, sectorCount: number, fua: boolean): number {
    const number = this.#changes.length;
    this.#changes.push({ kind, firstSector, sectorCount, fua, firstStamp: this.#nextStamp, doneAt: never });
    if (kind === 'write') this.#nextStamp += sectorCount;
    this.#makeRoom(sectorCount);
    for (let sector = firstSector; sector < firstSector + sectorCount; sector += 1) {
      this.#nodeChange[this.#nodeCount] = number;
      this.#nodeEarlier[this.#nodeCount] = this.#latest[sector] as number;
      this.#latest[sector] = this.#nodeCount;
      this.#nodeCount += 1;
    }
    this.tick();
    return number;
  }

  /** The stamp that sector `firstSector` of a write carries. */
  firstStampOf(number: number): number {
    return (this.#changes[number] as Change).firstStamp;
  }

  done(number: number): void {
    (this.#changes[number] as Change).doneAt = this.tick();
  }

  /** A flush that began at `beganAt` has been answered well. */
  flushed(beganAt: number): void {
    this.#durableBefore = Math.max(this.#durableBefore, beganAt);
  }

  /** Throws unless a read that began at `beganAt` and ends now may return `stamp`. */
  checkSeen(sector: number, stamp: number, beganAt: number, what: string): void {
    const isRight = this.#allows(sector, stamp, beganAt, beganAt) ?? stamp === this.#before[sector];
    if (!isRight) this.#violate(sector, stamp, what, { doneBefore: beganAt, fuaDoneBefore: beganAt });
  }

  /** Throws unless a job whose power is cut now may go on with `stamp`. */
  checkDurable(sector: number, stamp: number, what: string): void {
    this.#checkLeft(sector, stamp, what, stamp === this.#before[sector]);
  }

  /** The same of a disk that nobody can go on from: what was never changed may be anything there. */
  checkFlushed(sector: number, stamp: number, what: string): void {
    this.#checkLeft(sector, stamp, what, true);
  }

  /** `isRightUnchanged`: if no change of the sector is known. */
  #checkLeft(sector: number, stamp: number, what: string, isRightUnchanged: boolean): void {
    const isRight = this.#allows(sector, stamp, this.#durableBefore, never) ?? isRightUnchanged;
    if (!isRight)
      this.#violate(sector, stamp, what, { doneBefore: this.#durableBefore, fuaDoneBefore: never });
  }

  /** The job goes on with this stamp after a power cut: nothing that came before can come back. */
  settle(sector: number, stamp: number): void {
    this.#before[sector] = stamp;
    this.#latest[sector] = none;
  }

  /**
   * Whether `stamp` is of the last settled change or of a later one; undefined when it is of none and none is
   * settled. A change is settled if it was done before `doneBefore`, or with FUA before `fuaDoneBefore`.
   */
  #allows(sector: number, stamp: number, doneBefore: number, fuaDoneBefore: number): boolean | undefined {
    for (let node = this.#latest[sector] as number; node !== none; node = this.#nodeEarlier[node] as number) {
      const change = this.#changes[this.#nodeChange[node] as number] as Change;
      if (mayLeave(change, sector, stamp)) return true;
      if (change.doneAt < (change.fua ? fuaDoneBefore : doneBefore)) return false;
    }
    return undefined;
  }

  #makeRoom(nodes: number): void {
    let capacity = this.#nodeChange.length;
    while (capacity < this.#nodeCount + nodes) capacity *= 2;
    this.#nodeChange = enlarge(this.#nodeChange, capacity);
    this.#nodeEarlier = enlarge(this.#nodeEarlier, capacity);
  }

  #violate(sector: number, stamp: number, what: string, settled: Settled): never {
    const found = describeStamp(stamp, (written) => this.#nameOfWriter(written));
    const allowed = this.#namesOfAllowed(sector, settled).join(' or ');
    throw new Violation(
      `${what}: sector ${sector} holds ${found}; it should hold that of ${allowed}`,
      sector,
    );
  }

  #namesOfAllowed(sector: number, { doneBefore, fuaDoneBefore }: Settled): string[] {
    const names: string[] = [];
    for (let node = this.#latest[sector] as number; node !== none; node = this.#nodeEarlier[node] as number) {
      const number = this.#nodeChange[node] as number;
      const change = this.#changes[number] as Change;
      names.push(this.#nameOf(number));
      if (change.doneAt < (change.fua ? fuaDoneBefore : doneBefore)) return names;
    }
    return [
      ...names,
      describeStamp(this.#before[sector] as number, (written) => this.#nameOfWriter(written)),
    ];
  }

  #nameOfWriter(stamp: number): string {
    const isWriter = (change: Change): boolean =>
      change.kind === 'write' && stamp >= change.firstStamp && stamp < change.firstStamp + change.sectorCount;
    const number = this.#changes.findIndex(isWriter);
    const { firstStamp, firstSector } = this.#changes[number] as Change;
    return `sector ${firstSector + stamp - firstStamp} of ${this.#nameOf(number)}`;
  }

  #nameOf(number: number): string {
    return `${(this.#changes[number] as Change).kind} #${number}`;
  }
}

/** Whether the change may leave `stamp` in the sector. */
function mayLeave(change: Change, sector: number, stamp: number): boolean {
  switch (change.kind) {
    case 'write':
      return stamp === change.firstStamp + sector - change.firstSector;
    case 'write zeroes':
      return stamp === zeroes;
    case 'discard':
      return change.doneAt !== never || stamp === zeroes || stamp === junkStamp(sector);
  }
}

function enlarge(numbers: Int32Array<ArrayBuffer>, capacity: number): Int32Array<ArrayBuffer> {
  if (capacity === numbers.length) return numbers;
  const larger = new Int32Array(capacity);
  larger.set(numbers);
  return larger;
}
