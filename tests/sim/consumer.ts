/**
 * Whoever uses the virtual device: it keeps asking, in bursts, mostly around a few hot sectors, so that
 * requests overlap a lot, and checks every answer against the model. It does to the router what a frontend
 * does: claims a slot, fills it, begins it, and releases it when answered.
 *
 * A buffer that has been given back is filled with a mark at once, so that a disk that still reads from it,
 * or has not filled it yet, is found out.
 */
import { assert } from '../../app/base/error.ts';
import { sectorBytes } from '../../app/base/units.ts';
import type { RequestHandler, RequestKind, RequestSink, RequestTable } from '../../app/router/request.ts';
import { requestDataBytesMax, requestKinds } from '../../app/router/request.ts';
import type { Faults } from './faults.ts';
import type { History } from './history.ts';
import type { ChangeKind, Model } from './model.ts';
import type { Random } from './random.ts';
import type { ConsumerTemper, SectorRange } from './scenario.ts';
import { requestMixes } from './scenario.ts';
import type { Scheduler } from './scheduler.ts';
import { ioError } from './sim-disk-io.ts';
import type { SimPool } from './sim-pool.ts';
import { Violation } from './violation.ts';

const invalid = -22;
const requestSectorsMax = requestDataBytesMax / sectorBytes;
/** Longer than the pace takes for "idle". */
const silenceUs = 30_000;
const malformedChance = 0.01;

export interface ConsumerOptions {
  readonly temper: ConsumerTemper;
  readonly sectorCount: number;
  readonly logicalBlockBytes: number;
  readonly requests: RequestTable;
  readonly handler: RequestHandler;
  readonly pool: SimPool;
  readonly model: Model;
  readonly faults: Faults;
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** No request crosses this sector. */
  readonly boundary: () => number;
  readonly report: (violation: Violation) => void;
}

/** What the consumer remembers of a request under way. */
interface Asked extends SectorRange {
  readonly kind: RequestKind;
  readonly name: string;
  /** In the model's time. */
  readonly beganAt: number;
  /** Its number in the model, for a change. */
  readonly change: number;
  readonly isFua: boolean;
  readonly isMalformed: boolean;
  readonly faultsBefore: number;
  readonly readFaultsBefore: number;
  /** Before it began, a request had failed after which no flush may succeed. */
  readonly isAfterLoss: boolean;
}

const changeKinds: Partial<Record<RequestKind, ChangeKind>> = {
  [requestKinds.write]: 'write',
  [requestKinds.writeZeroes]: 'write zeroes',
  [requestKinds.discard]: 'discard',
};
const kindNames: Readonly<Record<RequestKind, string>> = {
  [requestKinds.read]: 'read',
  [requestKinds.write]: 'write',
  [requestKinds.flush]: 'flush',
  [requestKinds.discard]: 'discard',
  [requestKinds.writeZeroes]: 'write zeroes',
};

export class Consumer implements RequestSink {
  readonly #options: ConsumerOptions;
  readonly #unit: number;
  /** Losses that another engine has had. */
  readonly #lossesBefore: number;
  readonly #asked: (Asked | undefined)[];
  /** Each kind as often as it is likely. */
  readonly #kinds: readonly RequestKind[];
  history: History | undefined;
  #isStopped = true;
  #isHeld = false;
  #isBurstDue = false;
  #inFlight = 0;
  #answered = 0;
  /** A flush or a FUA write has failed: flushes may fail from now on. */
  #isLossPossible = false;
  /** One of them failed in writing, not in reading what it had to merge: flushes that begin now must fail. */
  #isLossCertain = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#unit = options.logicalBlockBytes / sectorBytes;
    this.#lossesBefore = options.faults.lossCount;
    this.#asked = new Array<Asked | undefined>(options.requests.capacity).fill(undefined);
    const mix = requestMixes[options.temper.mix];
    this.#kinds = [
      ...new Array<RequestKind>(mix.read).fill(requestKinds.read),
      ...new Array<RequestKind>(mix.write).fill(requestKinds.write),
      ...new Array<RequestKind>(mix.flush).fill(requestKinds.flush),
      ...new Array<RequestKind>(mix.discard).fill(requestKinds.discard),
      ...new Array<RequestKind>(mix.zeroes).fill(requestKinds.writeZeroes),
    ];
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests answered so far. */
  get answered(): number {
    return this.#answered;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Something has failed since a request began that is still under way: a part of it, perhaps. */
  get mayBeFailing(): boolean {
    return this.#asked.some((asked) => asked !== undefined && this.#hasFailedSince(asked));
  }

  /** For the first time, or again after a stop. */
  start(): void {
    this.#isStopped = false;
    if (!this.#isBurstDue) this.#burst();
  }

  /** Asks nothing until it may go on, as when its device is suspended. */
  hold(): void {
    this.#isHeld = true;
  }

  goOn(): void {
    this.#isHeld = false;
  }

  /** Asks nothing more; what is under way is still to be answered. */
  stop(): void {
    this.#isStopped = true;
  }

  requestDone(slot: number, result: number): void {
    const { pool, requests } = this.#options;
    const asked = this.#asked[slot];
    if (asked === undefined) {
      this.#options.report(new Violation('a request was answered that was not under way'));
      return;
    }
    this.#asked[slot] = undefined;
    this.#inFlight -= 1;
    this.#answered += 1;
    this.#note(asked, result === 0 ? 'answered' : `answered with ${result}`);
    try {
      this.#check(slot, asked, result);
    } catch (violation) {
      if (!(violation instanceof Violation)) throw violation;
      this.#options.report(violation);
    }
    if (isTransfer(asked.kind)) pool.mark(requests.dataOffset(slot), asked.sectorCount);
    requests.release(slot);
    if (this.#options.temper.asksInAnswer && !this.#isStopped) this.#ask();
  }

  // ---- asking

  #burst(): void {
    this.#isBurstDue = false;
    if (this.#isStopped) return;
    const { random, scheduler, temper } = this.#options;
    for (let left = random.between(1, temper.burstMax); left > 0; left -= 1) this.#ask();
    const thinkUs = random.chance(temper.silenceChance) ? silenceUs : random.share() * temper.thinkUsMax;
    this.#isBurstDue = true;
    scheduler.after(1 + thinkUs, () => this.#burst());
  }

  #ask(): void {
    if (this.#isHeld) return;
    const { random, requests } = this.#options;
    const slot = requests.claim();
    if (slot < 0) return;
    const kind = random.pick(this.#kinds);
    if (kind !== requestKinds.flush && random.chance(malformedChance)) this.#askMalformed(slot, kind);
    else this.#askWell(slot, kind);
  }

  #askWell(slot: number, kind: RequestKind): void {
    const { model, pool, random, requests, temper } = this.#options;
    const range = kind === requestKinds.flush ? { firstSector: 0, sectorCount: 0 } : this.#drawRange(kind);
    const { firstSector, sectorCount } = range;
    const fua = random.chance(temper.fuaChance);
    const beganAt = model.tick();
    const changeKind = changeKinds[kind];
    const change = changeKind === undefined ? -1 : model.begin(changeKind, firstSector, sectorCount, fua);
    if (kind === requestKinds.write) {
      const firstStamp = model.firstStampOf(change);
      pool.fill(requests.dataOffset(slot), sectorCount, (index) => firstStamp + index);
    }
    const name = change < 0 ? kindNames[kind] : `${kindNames[kind]} #${change}${fua ? ' with FUA' : ''}`;
    this.#begin(
      slot,
      { kind, name, beganAt, change, ...range, isFua: fua, isMalformed: false },
      {
        offsetBytes: firstSector * sectorBytes,
        lengthBytes: sectorCount * sectorBytes,
      },
    );
  }

  /** A request that must be refused and must not reach a disk. */
  #askMalformed(slot: number, kind: RequestKind): void {
    const { random, model, sectorCount, logicalBlockBytes } = this.#options;
    const sizeBytes = sectorCount * sectorBytes;
    const { offsetBytes, lengthBytes } = random.pick([
      { offsetBytes: 0, lengthBytes: 0 },
      { offsetBytes: logicalBlockBytes / 2, lengthBytes: logicalBlockBytes },
      { offsetBytes: 0, lengthBytes: logicalBlockBytes + 1 },
      { offsetBytes: sizeBytes, lengthBytes: logicalBlockBytes },
      { offsetBytes: sizeBytes - logicalBlockBytes, lengthBytes: 2 * logicalBlockBytes },
    ]);
    const name = `malformed ${kindNames[kind]}`;
    const range = { firstSector: 0, sectorCount: 0 };
    const asked = {
      kind,
      name,
      beganAt: model.tick(),
      change: -1,
      ...range,
      isFua: false,
      isMalformed: true,
    };
    this.#begin(slot, asked, { offsetBytes, lengthBytes });
  }

  #begin(
    slot: number,
    asked: Omit<Asked, 'faultsBefore' | 'readFaultsBefore' | 'isAfterLoss'>,
    bytes: { readonly offsetBytes: number; readonly lengthBytes: number },
  ): void {
    const { requests, handler, faults } = this.#options;
    requests.kind[slot] = asked.kind;
    requests.fua[slot] = asked.isFua ? 1 : 0;
    requests.offsetBytes[slot] = bytes.offsetBytes;
    requests.lengthBytes[slot] = bytes.lengthBytes;
    const faultsBefore = { faultsBefore: faults.count, readFaultsBefore: faults.readCount };
    const complete = { ...asked, ...faultsBefore, isAfterLoss: this.#isLossCertain };
    this.#asked[slot] = complete;
    this.#inFlight += 1;
    this.#note(complete, 'asked');
    handler.begin(slot);
  }

  /** In logical blocks, mostly near a hot sector, mostly short, sometimes as long as can be. */
  #drawRange(kind: RequestKind): SectorRange {
    const { random, sectorCount, temper } = this.#options;
    const longest = isTransfer(kind) ? Math.min(requestSectorsMax, sectorCount) : sectorCount;
    const usual = Math.min(temper.usualSectorsMax, longest);
    const isLong = random.chance(kind === requestKinds.read ? temper.longReadChance : temper.longChance);
    const length = isLong ? random.between(1, longest) : random.low(1, usual);
    const around = random.chance(0.85) ? random.pick(temper.hotSectors) : random.between(0, sectorCount - 1);
    const start = Math.max(0, Math.min(around - random.between(0, length + 6), sectorCount - length));
    const first = Math.floor(start / this.#unit);
    const drawnEnd = Math.min(Math.ceil((start + length) / this.#unit), first + longest / this.#unit);
    const boundary = this.#options.boundary() / this.#unit;
    const end = first < boundary ? Math.min(drawnEnd, boundary) : drawnEnd;
    return { firstSector: first * this.#unit, sectorCount: (end - first) * this.#unit };
  }

  // ---- answers

  #check(slot: number, asked: Asked, result: number): void {
    const { model } = this.#options;
    if (asked.isMalformed) {
      if (result !== invalid) throw new Violation(`a ${asked.name} was answered with ${result}`);
    } else if (result !== 0) {
      this.#checkFailure(asked, result);
    } else if (asked.kind === requestKinds.read) {
      this.#checkRead(slot, asked);
    } else if (asked.kind === requestKinds.flush) {
      if (asked.isAfterLoss)
        throw new Violation('a flush succeeded after one, or a FUA write, that had failed');
      model.flushed(asked.beganAt);
    } else {
      assert(asked.change >= 0, 'what is neither read nor flush is a change');
      model.done(asked.change);
    }
  }

  /** Only what a disk did may fail a request; and a flush fails after any flush or FUA write that did. */
  #checkFailure(asked: Asked, result: number): void {
    const isFlush = asked.kind === requestKinds.flush;
    const mustBeDurable = isFlush || asked.isFua;
    // Rounds of the journal's own fail without anybody's request.
    const isLost = this.#isLossPossible || this.#options.faults.lossCount > this.#lossesBefore;
    const hasCause = this.#hasFailedSince(asked) || (mustBeDurable && (isLost || this.#mayHaveFailed()));
    if (result !== ioError || !hasCause) {
      throw new Violation(`a ${asked.name} was answered with ${result} for no reason`);
    }
    if (!mustBeDurable) return;
    this.#isLossPossible = true;
    const isWrite = asked.kind === requestKinds.write || asked.kind === requestKinds.writeZeroes;
    const hasOnlyWritten = this.#options.faults.readCount === asked.readFaultsBefore;
    if (isFlush || (isWrite && hasOnlyWritten)) this.#isLossCertain = true;
  }

  #hasFailedSince({ faultsBefore }: Asked): boolean {
    return this.#options.faults.count > faultsBefore;
  }

  /** A FUA write that is not answered yet: a part of it may have failed already. */
  #mayHaveFailed(): boolean {
    return this.#asked.some((asked) => asked?.isFua === true && this.#hasFailedSince(asked));
  }

  #checkRead(slot: number, { firstSector, sectorCount, beganAt }: Asked): void {
    const { model, pool, requests } = this.#options;
    const buffer = requests.dataOffset(slot);
    for (let index = 0; index < sectorCount; index += 1) {
      const stamp = pool.stampAt(buffer + index * sectorBytes);
      model.checkSeen(firstSector + index, stamp, beganAt, 'a read returned what it may not');
    }
  }

  #note({ kind, name, firstSector, sectorCount }: Asked, what: string): void {
    if (kind === requestKinds.flush) this.history?.noteAll('consumer', `${name} ${what}`);
    else this.history?.note(firstSector, sectorCount, 'consumer', `${name} ${what}`);
  }
}

/** Whether requests of the kind have data in their slot's buffer. */
function isTransfer(kind: RequestKind): boolean {
  return kind === requestKinds.read || kind === requestKinds.write;
}
