/**
 * The frontend without a device: a file stands for the memory in which the kernel describes requests, and the
 * ring is the running kernel's, which refuses a ublk command for a file: each completion shows that one was
 * posted.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferPool } from '../../../../app/base/buffer-pool.ts';
import { sectorBytes } from '../../../../app/base/units.ts';
import { fetchResult, queueDepth } from '../../../../app/frontends/ublk/protocol.ts';
import { UblkFrontend } from '../../../../app/frontends/ublk/ublk-frontend.ts';
import { RequestTable, requestKinds, requestSlotBytes } from '../../../../app/router/request.ts';
import { addon } from '../../../../native/binding.ts';
import { Ring } from '../../../../native/ring.ts';

const ringOwner = 3;
const tagMask = 0xffffff;
const tag = 5;
const pageBytes = 4096;

let directory: string;
let fd: number;
let ring: Ring;
let requests: RequestTable;
let frontend: UblkFrontend;
let begun: { slot: number; kind: number; fua: number; offsetBytes: number; lengthBytes: number }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-ublk-'));
  fd = openSync(join(directory, 'descriptors'), 'w+');
  ftruncateSync(fd, pageBytes);
  const pool = new BufferPool(queueDepth * requestSlotBytes, (view) => addon().misalignmentBytes(view));
  ring = new Ring(pool);
  requests = new RequestTable(queueDepth, pool);
  begun = [];
  const begin = (slot: number): void => {
    const { kind, fua, offsetBytes, lengthBytes } = requests;
    const at = (table: Uint8Array | Float64Array): number => table[slot] ?? NaN;
    begun.push({
      slot,
      kind: at(kind),
      fua: at(fua),
      offsetBytes: at(offsetBytes),
      lengthBytes: at(lengthBytes),
    });
  };
  const geometry = { sizeBytes: 2 ** 50, logicalBlockBytes: 512, physicalBlockBytes: 4096 };
  frontend = new UblkFrontend({ ring, ringOwner, pool, requests, handler: { begin }, geometry }, fd, 'bare');
});

afterEach(() => {
  ring.close();
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** As the kernel does before a fetch completes (struct ublksrv_io_desc). */
function describeRequest(operation: number, startSector: bigint, sectorCount: number): void {
  const descriptor = Buffer.alloc(24);
  descriptor.writeUInt32LE(operation, 0);
  descriptor.writeUInt32LE(sectorCount, 4);
  descriptor.writeBigUInt64LE(startSector, 8);
  writeSync(fd, descriptor, 0, descriptor.length, tag * descriptor.length);
}

/** Tags whose commands were posted since the last call. */
function postedTags(): number[] {
  const count = ring.submitAndWait(0, 0);
  return Array.from({ length: count }, (_, index) => ring.completionTag(index) & tagMask);
}

describe('a ublk frontend', () => {
  it('fetches with every tag in its first turn, and never again by itself', () => {
    frontend.prepareTurn();
    expect(postedTags().sort((one, other) => one - other)).toEqual(
      Array.from({ length: queueDepth }, (_, at) => at),
    );
    frontend.prepareTurn();
    expect(postedTags()).toEqual([]);
    expect(requests.freeCount).toBe(0);
  });

  it.each([
    ['read', 0, requestKinds.read, 0],
    ['write', 1, requestKinds.write, 0],
    ['write with FUA', 1 | (1 << 13), requestKinds.write, 1],
    ['flush', 2, requestKinds.flush, 0],
    ['discard', 3, requestKinds.discard, 0],
    ['write zeroes that keeps the space', 5 | (1 << 15), requestKinds.writeZeroes, 0],
  ])('takes a %s to the router', (_, operation, kind, fua) => {
    frontend.prepareTurn();
    describeRequest(operation, 9n, 16);
    frontend.ringDone(tag, fetchResult.request);
    expect(begun).toMatchObject([{ kind, fua, offsetBytes: 9 * sectorBytes, lengthBytes: 16 * sectorBytes }]);
  });

  it('reaches sectors beyond 32 bits', () => {
    frontend.prepareTurn();
    describeRequest(0, 2n ** 40n + 1n, 8);
    frontend.ringDone(tag, fetchResult.request);
    expect(begun[0]?.offsetBytes).toBe((2 ** 40 + 1) * sectorBytes);
  });

  it('looks at what the kernel has described since the last turn', () => {
    frontend.prepareTurn();
    describeRequest(0, 1n, 8);
    frontend.ringDone(tag, fetchResult.request);
    describeRequest(1, 2n, 8);
    frontend.prepareTurn();
    frontend.ringDone(tag, fetchResult.request);
    expect(begun.map(({ offsetBytes }) => offsetBytes)).toEqual([sectorBytes, 2 * sectorBytes]);
  });

  it('answers and fetches with the tag that the request came by', () => {
    frontend.prepareTurn();
    postedTags();
    describeRequest(1, 0n, 8);
    frontend.ringDone(tag, fetchResult.request);
    expect(postedTags()).toEqual([]);
    frontend.requestDone(begun[0]?.slot ?? NaN, 0);
    expect(postedTags()).toEqual([tag]);
  });

  it('answers at once what it does not know', () => {
    frontend.prepareTurn();
    postedTags();
    describeRequest(18, 0n, 8);
    frontend.ringDone(tag, fetchResult.request);
    expect(begun).toEqual([]);
    expect(postedTags()).toEqual([tag]);
  });

  it('is closed when every fetch has been given back', () => {
    frontend.prepareTurn();
    for (let at = 0; at < queueDepth; at += 1) {
      expect(frontend.isClosed).toBe(false);
      frontend.ringDone(at, fetchResult.aborted);
    }
    expect(frontend.isClosed).toBe(true);
  });

  it('stops before anything is acknowledged when a fetch fails in another way', () => {
    frontend.prepareTurn();
    expect(() => frontend.ringDone(tag, -22)).toThrow('a fetch from the ublk device failed: errno 22');
  });
});
