/**
 * A router over disks that the test steps by hand, with a frontend that keeps the answers. Sizes are small:
 * the disk has ten whole blocks and a last one of three sectors.
 */
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { present } from '../../../app/base/error.ts';
import { blockBytes, sectorBytes } from '../../../app/base/units.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';
import { UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';
import type { RoundJournal } from '../../../app/journal/round-journal.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';
import { ConsumerMeter, consumerMeterBytes } from '../../../app/router/consumer-meter.ts';
import type { RequestKind, RequestSink } from '../../../app/router/request.ts';
import { requestKinds, requestSlotBytes, RequestTable } from '../../../app/router/request.ts';
import { Router } from '../../../app/router/router.ts';
import { SteppedDiskIo } from './stepped-disk-io.ts';

const slots = 6;
export const wholeBlocks = 10;
export const diskBytes = wholeBlocks * blockBytes + 3 * sectorBytes;

export interface Asked {
  readonly offset: number;
  readonly length: number;
  readonly fua?: boolean;
  /** What the data of a write consists of. */
  readonly fill?: number;
}

export class RouterBench implements RequestSink {
  readonly io = new SteppedDiskIo();
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly copied: FlagMap;
  readonly ranges = new RangesInFlight(slots + 1);
  readonly unreadable: UnreadableBlocks;
  readonly meter = new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes));
  readonly clockUs = new Float64Array(1);
  readonly pool = new BufferPool(slots * requestSlotBytes, () => 0);
  readonly requests = new RequestTable(slots, this.pool);
  readonly router: Router;
  /** Slot and result, in the order of the answers. */
  readonly answers: [number, number][] = [];
  /** Told of every answer, while it is being given. */
  onAnswer: (slot: number) => void = () => {};

  constructor(sizeBytes = diskBytes, journal: RoundJournal = new NoJournal()) {
    this.flags = new FlagMap(Math.ceil(sizeBytes / blockBytes));
    this.written = new FlagMap(this.flags.blockCount);
    this.unreadable = new UnreadableBlocks(this.flags.blockCount);
    this.copied = new FlagMap(this.flags.blockCount);
    const { requests, pool, io, flags, written, copied, ranges, unreadable, meter, clockUs } = this;
    const parts = { requests, pool, io, flags, written, copied, ranges, unreadable, journal, meter, clockUs };
    this.router = new Router({ sizeBytes, logicalBlockBytes: sectorBytes, ...parts });
    this.router.connect(this);
  }

  requestDone(slot: number, result: number): void {
    this.answers.push([slot, result]);
    this.onAnswer(slot);
    this.requests.release(slot);
  }

  /** Returns the slot. */
  ask(kind: RequestKind, { offset, length, fua = false, fill = 0 }: Asked): number {
    const slot = this.requests.claim();
    this.requests.kind[slot] = kind;
    this.requests.fua[slot] = fua ? 1 : 0;
    this.requests.offsetBytes[slot] = offset;
    this.requests.lengthBytes[slot] = length;
    const data = this.requests.dataOffset(slot);
    if (kind === requestKinds.write) this.pool.bytes.fill(fill, data, data + length);
    this.router.begin(slot);
    return slot;
  }

  /** The bytes at `offset` of the pool, as runs: [[7, 512], [0, 3584]] is 512 bytes of 7, then 3584 of 0. */
  runsAt(offset: number, length: number): [number, number][] {
    const runs: [number, number][] = [];
    for (const byte of this.pool.bytes.subarray(offset, offset + length)) {
      const last = runs.at(-1);
      if (last?.[0] === byte) last[1] += 1;
      else runs.push([byte, 1]);
    }
    return runs;
  }

  /** Ends a read after having filled its buffer. */
  endRead(text: string, fill: number): void {
    const buffer = this.io.bufferOf(text);
    const length = Number(present(text.split('+')[1], 'the length of a read'));
    this.pool.bytes.fill(fill, buffer, buffer + length);
    this.io.end(text);
  }
}
