/**
 * Device-mapper between the consumer and the virtual device: requests to the extent that is direct go
 * straight to the destination, past the router, all others to the router; a flush goes both ways. Requests do
 * not cross the extent's end (the kernel cuts them there), and none is under way while it changes (the kernel
 * suspends the device for that).
 *
 * A disk keeps no order among overlapping requests, and no consumer relies on one. The model does, so it is
 * kept here.
 */
import { assert } from '../../app/base/error.ts';
import { sectorBytes } from '../../app/base/units.ts';
import type { DiskIo, DiskIoClient } from '../../app/devices/disk-io.ts';
import { destination } from '../../app/devices/disk-io.ts';
import type { RangeOwner } from '../../app/flags/ranges-in-flight.ts';
import { RangesInFlight } from '../../app/flags/ranges-in-flight.ts';
import type { RequestHandler, RequestSink, RequestTable } from '../../app/router/request.ts';
import { requestKinds } from '../../app/router/request.ts';

export interface SimMapperOptions {
  readonly requests: RequestTable;
  readonly router: RequestHandler;
  readonly io: DiskIo;
  readonly logicalBlockBytes: number;
}

export class SimMapper implements RequestHandler, RequestSink, RangeOwner, DiskIoClient {
  readonly #options: SimMapperOptions;
  readonly #ranges: RangesInFlight;
  #sink: RequestSink | undefined;
  /** From the start of the disk. */
  #directSectors = 0;
  // By slot.
  readonly #range: Int32Array;
  readonly #parts: Uint8Array;
  readonly #result: Int32Array;

  constructor(options: SimMapperOptions) {
    const { capacity } = options.requests;
    this.#options = options;
    this.#ranges = new RangesInFlight(capacity);
    this.#range = new Int32Array(capacity);
    this.#parts = new Uint8Array(capacity);
    this.#result = new Int32Array(capacity);
  }

  connect(sink: RequestSink): void {
    this.#sink = sink;
  }

  get directSectors(): number {
    return this.#directSectors;
  }

  set directSectors(sectors: number) {
    const { requests } = this.#options;
    assert(requests.freeCount === requests.capacity, 'a table changes while nothing is under way');
    this.#directSectors = sectors;
  }

  begin(slot: number): void {
    const { io, requests, router } = this.#options;
    this.#result[slot] = 0;
    const isFlush = requests.kind[slot] === requestKinds.flush && this.#directSectors > 0;
    this.#parts[slot] = isFlush ? 2 : 1;
    if (isFlush) io.flush(destination, this, slot);
    if (isFlush || !this.#isDirect(slot)) {
      router.begin(slot);
      return;
    }
    const first = (requests.offsetBytes[slot] as number) / sectorBytes;
    const end = first + (requests.lengthBytes[slot] as number) / sectorBytes;
    const range = this.#ranges.claim(first, end, this, slot);
    this.#range[slot] = range;
    if (this.#ranges.isReady(range)) this.rangeReady(slot);
  }

  rangeReady(slot: number): void {
    const { io, requests } = this.#options;
    const length = requests.lengthBytes[slot] as number;
    const isFua = requests.fua[slot] === 1;
    switch (requests.kind[slot]) {
      case requestKinds.read:
        io.read(destination, requests.offsetBytes, length, requests.dataOffset(slot), this, slot);
        break;
      case requestKinds.write:
        io.write(destination, requests.offsetBytes, length, requests.dataOffset(slot), isFua, this, slot);
        break;
      case requestKinds.discard:
        io.discard(destination, requests.offsetBytes, length, this, slot);
        break;
      default:
        io.writeZeroes(destination, requests.offsetBytes, length, isFua, this, slot);
    }
  }

  /** Of a direct request, or of the direct part of a flush. */
  diskOperationDone(slot: number, result: number): void {
    if (this.#options.requests.kind[slot] !== requestKinds.flush)
      this.#ranges.release(this.#range[slot] as number);
    this.requestDone(slot, result);
  }

  /** From the router too. */
  requestDone(slot: number, result: number): void {
    if (result < 0) this.#result[slot] = result;
    this.#parts[slot] = (this.#parts[slot] as number) - 1;
    if (this.#parts[slot] === 0) this.#sink?.requestDone(slot, this.#result[slot] as number);
  }

  /** Malformed requests the kernel would refuse itself; here the router does. */
  #isDirect(slot: number): boolean {
    const { requests, logicalBlockBytes } = this.#options;
    const offset = requests.offsetBytes[slot] as number;
    const length = requests.lengthBytes[slot] as number;
    const isWellFormed = length > 0 && offset % logicalBlockBytes === 0 && length % logicalBlockBytes === 0;
    return isWellFormed && offset + length <= this.#directSectors * sectorBytes;
  }
}
