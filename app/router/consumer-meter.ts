/**
 * What the consumer experiences: counts, bytes and latency of its requests, in memory shared with the control
 * thread, which reads it at its own pace. Latencies go into buckets that grow by an eighth of a power of two,
 * so a percentile is exact to 9 %. The worker only ever adds; the reader takes differences.
 *
 * Requests that go direct the router never sees: the control thread puts in, now and then, what the kernel
 * has counted of them. They are in the counts, but in no percentile.
 */
import type { IoCounts } from '../devices/io-counts.ts';
import { requestKinds } from './request.ts';
import type { RequestKind } from './request.ts';

const bucketsPerDoubling = 8;
const doublings = 36;
const bucketCount = bucketsPerDoubling * doublings;

/** Where each counter stands in the shared array; the latency buckets follow. */
const field = {
  readRequests: 0,
  writeRequests: 1,
  otherRequests: 2,
  readBytes: 3,
  writtenBytes: 4,
  failedRequests: 5,
  longestUs: 6,
  inFlight: 7,
  totalLatencyUs: 8,
  directReads: 9,
  directWrites: 10,
  directOthers: 11,
  directReadBytes: 12,
  directWrittenBytes: 13,
  directInFlight: 14,
  directLatencyUs: 15,
} as const;
const fieldCount = 16;

export const consumerMeterBytes = (fieldCount + bucketCount) * Float64Array.BYTES_PER_ELEMENT;

function bucketOf(latencyUs: number): number {
  if (latencyUs < 1) return 0;
  return Math.min(bucketCount - 1, Math.floor(Math.log2(latencyUs) * bucketsPerDoubling));
}

function requestsField(kind: RequestKind): number {
  if (kind === requestKinds.read) return field.readRequests;
  return kind === requestKinds.write ? field.writeRequests : field.otherRequests;
}

/** The middle of a bucket, in microseconds. */
function bucketUs(bucket: number): number {
  return 2 ** ((bucket + 0.5) / bucketsPerDoubling);
}

export class ConsumerMeter {
  readonly #cells: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Float64Array(memory);
  }

  begun(): void {
    this.#add(field.inFlight, 1);
  }

  done(kind: RequestKind, lengthBytes: number, latencyUs: number, failed: boolean): void {
    this.#add(field.inFlight, -1);
    this.#add(requestsField(kind), 1);
    if (failed) this.#add(field.failedRequests, 1);
    else if (kind === requestKinds.read) this.#add(field.readBytes, lengthBytes);
    else if (kind === requestKinds.write || kind === requestKinds.writeZeroes)
      this.#add(field.writtenBytes, lengthBytes);
    this.#add(field.totalLatencyUs, latencyUs);
    this.#add(fieldCount + bucketOf(latencyUs), 1);
    if (latencyUs > this.#cell(field.longestUs)) this.#cells[field.longestUs] = latencyUs;
  }

  /** By the control thread; the worker changes none of these. */
  setDirect(counts: IoCounts): void {
    this.#cells[field.directReads] = counts.reads;
    this.#cells[field.directWrites] = counts.writes;
    this.#cells[field.directOthers] = counts.others;
    this.#cells[field.directReadBytes] = counts.readBytes;
    this.#cells[field.directWrittenBytes] = counts.writtenBytes;
    this.#cells[field.directInFlight] = counts.inFlight;
    this.#cells[field.directLatencyUs] = counts.totalLatencyMs * 1000;
  }

  /** As this meter's own figures, with those of direct requests: all that the copy is beside. */
  get everything(): EverythingAsked {
    return new EverythingAsked(this.#cells);
  }

  get inFlight(): number {
    return this.#cell(field.inFlight);
  }

  /** Requests done since the start, of all kinds. */
  get requests(): number {
    return this.#cell(field.readRequests) + this.#cell(field.writeRequests) + this.#cell(field.otherRequests);
  }

  /** How long all those took together. */
  get totalLatencyUs(): number {
    return this.#cell(field.totalLatencyUs);
  }

  snapshot(): ConsumerSnapshot {
    return new ConsumerSnapshot(Float64Array.from(this.#cells));
  }

  #cell(index: number): number {
    return this.#cells[index] as number;
  }

  #add(index: number, value: number): void {
    this.#cells[index] = this.#cell(index) + value;
  }
}

/** A view that goes with its meter. */
export class EverythingAsked {
  readonly #cells: Float64Array;

  constructor(cells: Float64Array) {
    this.#cells = cells;
  }

  get inFlight(): number {
    return this.#sum(field.inFlight, field.directInFlight);
  }

  get requests(): number {
    const routed =
      this.#sum(field.readRequests, field.writeRequests) + this.#sum(field.otherRequests, field.directOthers);
    return routed + this.#sum(field.directReads, field.directWrites);
  }

  get totalLatencyUs(): number {
    return this.#sum(field.totalLatencyUs, field.directLatencyUs);
  }

  #sum(one: number, other: number): number {
    return (this.#cells[one] as number) + (this.#cells[other] as number);
  }
}

/** The counters at one moment. */
export class ConsumerSnapshot {
  readonly #cells: Float64Array;

  constructor(cells: Float64Array) {
    this.#cells = cells;
  }

  get readRequests(): number {
    return this.#cell(field.readRequests) + this.#cell(field.directReads);
  }

  get writeRequests(): number {
    return this.#cell(field.writeRequests) + this.#cell(field.directWrites);
  }

  get readBytes(): number {
    return this.#cell(field.readBytes) + this.#cell(field.directReadBytes);
  }

  /** By writes and by zeroing, as far as they ended well. */
  get writtenBytes(): number {
    return this.#cell(field.writtenBytes) + this.#cell(field.directWrittenBytes);
  }

  get failedRequests(): number {
    return this.#cell(field.failedRequests);
  }

  /** The longest that any request took since the start. */
  get longestUs(): number {
    return this.#cell(field.longestUs);
  }

  /** Latency below which `share` (0 to 1) of the requests since `earlier` stayed; 0 when there were none. */
  percentileUs(share: number, earlier?: ConsumerSnapshot): number {
    let total = 0;
    for (let bucket = 0; bucket < bucketCount; bucket += 1) total += this.#since(bucket, earlier);
    if (total === 0) return 0;
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
      seen += this.#since(bucket, earlier);
      if (seen >= total * share) return bucketUs(bucket);
    }
    return bucketUs(bucketCount - 1);
  }

  #since(bucket: number, earlier: ConsumerSnapshot | undefined): number {
    const index = fieldCount + bucket;
    return this.#cell(index) - (earlier === undefined ? 0 : earlier.#cell(index));
  }

  #cell(index: number): number {
    return this.#cells[index] as number;
  }
}
