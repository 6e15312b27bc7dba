import { beforeEach, describe, expect, test } from 'vitest';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { kibibyte, mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { destination, source } from '../../../app/devices/disk-io.ts';
import type { DiskIoClient } from '../../../app/devices/disk-io.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';
import { MaskedDiskIo, maskedIoPoolBytes } from '../../../app/devices/masked-disk-io.ts';
import { SteppedDiskIo } from '../router/stepped-disk-io.ts';

const sizeBytes = 100 * mebibyte;
const label = Buffer.from('LABELONE');
const maskedLabel = label.map((value) => value ^ 0xff);
const ioError = -5;

class Answers implements DiskIoClient {
  readonly all: [number, number][] = [];
  diskOperationDone(tag: number, result: number): void {
    this.all.push([tag, result]);
  }
}

let io: SteppedDiskIo;
let pool: BufferPool;
let masked: MaskedDiskIo;
let client: Answers;
let buffer: number;
/** By tag. */
const offsets = new Float64Array(16);

beforeEach(() => {
  io = new SteppedDiskIo();
  pool = new BufferPool(maskedIoPoolBytes + 2 * mebibyte, () => 0);
  buffer = pool.reserve(2 * mebibyte);
  const places = new GuardPlaces(sizeBytes);
  masked = new MaskedDiskIo({ io, pool, places, logicalBlockBytes: 512, operationsMax: 16 });
  client = new Answers();
});

/** An LVM label in the second sector of what begins at the disk's start. */
function putLabel(at = buffer, bytes: Uint8Array = label): void {
  pool.bytes.fill(7, at, at + 4096);
  pool.bytes.set(bytes, at + sectorBytes);
}

function wordAt(at: number): string {
  return Buffer.from(pool.bytes.subarray(at, at + label.length)).toString('latin1');
}

describe('a read', () => {
  test('that touches no place goes straight through, with its own buffer and client', () => {
    offsets[3] = 8 * mebibyte;
    masked.read(destination, offsets, 4096, buffer, client, 3);
    expect(io.bufferOf('read destination 8388608+4096')).toBe(buffer);
    io.endAll();
    expect(client.all).toEqual([[3, 0]]);
  });

  test('shows what is masked on the disk as it was, and what is plain as it is', () => {
    for (const found of [maskedLabel, label]) {
      putLabel(buffer, found);
      offsets[0] = 0;
      masked.read(source, offsets, 4096, buffer, client, 0);
      io.end('read source 0+4096');
      expect(wordAt(buffer + sectorBytes)).toBe('LABELONE');
    }
  });

  test('inverts the whole sector and nothing beside it', () => {
    putLabel(buffer, maskedLabel);
    offsets[0] = 0;
    masked.read(source, offsets, 4096, buffer, client, 0);
    io.endAll();
    const read = pool.bytes.subarray(buffer, buffer + 4096);
    expect(new Set(read.subarray(0, 512))).toEqual(new Set([7]));
    expect(new Set(read.subarray(520, 1024))).toEqual(new Set([7 ^ 0xff]));
    expect(new Set(read.subarray(1024))).toEqual(new Set([7]));
  });

  test('that begins in the middle of the places sees each at its own offset', () => {
    pool.bytes.set(maskedLabel, buffer);
    offsets[0] = sectorBytes;
    masked.read(source, offsets, sectorBytes, buffer, client, 0);
    io.end('read source 512+512');
    expect(wordAt(buffer)).toBe('LABELONE');
  });

  test('that has failed leaves its buffer alone', () => {
    putLabel(buffer, maskedLabel);
    offsets[0] = 0;
    masked.read(source, offsets, 4096, buffer, client, 0);
    io.end('read source 0+4096', ioError);
    expect(client.all).toEqual([[0, ioError]]);
    expect(pool.bytes[buffer + sectorBytes]).toBe(maskedLabel[0]);
  });
});

describe('a write', () => {
  test('of a signature goes out inverted, and the caller keeps what he wrote', () => {
    putLabel();
    offsets[0] = 0;
    masked.write(destination, offsets, 4096, buffer, true, client, 0);
    const sent = io.bufferOf('write destination 0+4096 fua');
    expect(sent).not.toBe(buffer);
    expect(Buffer.from(pool.bytes.subarray(sent + 512, sent + 520))).toEqual(Buffer.from(maskedLabel));
    expect(new Set(pool.bytes.subarray(sent, sent + 512))).toEqual(new Set([7]));
    expect(wordAt(buffer + sectorBytes)).toBe('LABELONE');
    io.endAll();
    expect(client.all).toEqual([[0, 0]]);
  });

  test('to both disks at once, or again after a failure, is inverted once each time', () => {
    putLabel();
    offsets[0] = 0;
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    masked.write(source, offsets, 4096, buffer, false, client, 0);
    const buffers = [io.end('write destination 0+4096', ioError), io.end('write source 0+4096')];
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    for (const sent of [...buffers, io.end('write destination 0+4096')])
      expect(pool.bytes[sent + sectorBytes]).toBe(maskedLabel[0]);
  });

  test('of anything else passes with its own buffer, wherever it goes', () => {
    pool.bytes.fill(7, buffer, buffer + 4096);
    offsets[0] = 0;
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    expect(io.bufferOf('write destination 0+4096')).toBe(buffer);
  });

  test('of a signature to a sector where nobody looks for it passes', () => {
    putLabel();
    offsets[0] = 2048;
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    expect(io.bufferOf('write destination 2048+4096')).toBe(buffer);
  });

  test('of what would pass for masked is refused later, and changes nothing', () => {
    putLabel(buffer, maskedLabel);
    offsets[0] = 0;
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    expect(io.underWay).toEqual(['read destination 0+512']);
    expect(client.all).toEqual([]);
    io.endAll();
    expect(client.all).toEqual([[0, ioError]]);
  });

  test('waits for a bounce buffer when all are in use, in turn', () => {
    putLabel();
    offsets.fill(0);
    for (let tag = 0; tag < 6; tag += 1) masked.write(destination, offsets, 4096, buffer, false, client, tag);
    expect(io.underWay.length).toBe(4);
    io.end('write destination 0+4096');
    expect(io.underWay.length).toBe(4);
    io.endAll();
    expect(client.all.map(([tag]) => tag)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('to a place that is masked no more stands on that disk as it is, and on the other inverted', () => {
    masked.setMasking(destination, 1, false);
    putLabel();
    offsets[0] = 0;
    masked.write(destination, offsets, 4096, buffer, false, client, 0);
    expect(io.bufferOf('write destination 0+4096')).toBe(buffer);
    masked.write(source, offsets, 4096, buffer, false, client, 0);
    expect(io.bufferOf('write source 0+4096')).not.toBe(buffer);
  });

  test('as long as one can be is bounced whole', () => {
    pool.bytes.set(label, buffer + sectorBytes);
    pool.bytes[buffer + mebibyte - 1] = 42;
    offsets[0] = 0;
    masked.write(destination, offsets, mebibyte, buffer, false, client, 0);
    const sent = io.bufferOf('write destination 0+1048576');
    expect(pool.bytes[sent + mebibyte - 1]).toBe(42);
    expect(pool.bytes[sent + sectorBytes]).toBe(maskedLabel[0]);
  });
});

test('zeroes, discards and flushes pass as they are', () => {
  offsets[0] = 0;
  masked.writeZeroes(destination, offsets, 64 * kibibyte, true, client, 0);
  masked.discard(destination, offsets, 64 * kibibyte, client, 0);
  masked.flush(source, client, 0);
  expect(io.underWay).toEqual(['zero destination 0+65536 fua', 'discard destination 0+65536', 'flush source']);
});
