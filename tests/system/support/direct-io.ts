/**
 * Single reads and writes of whole sectors past the page cache: what the device itself answers, errors
 * included.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { expect } from 'vitest';
import { BufferPool, pageBytes } from '../../../app/base/buffer-pool.ts';
import { addon } from '../../../native/binding.ts';

function alignedBuffer(lengthBytes: number): Uint8Array {
  const capacity = Math.ceil(lengthBytes / pageBytes) * pageBytes;
  return new BufferPool(capacity, (view) => addon().misalignmentBytes(view)).bytes.subarray(0, lengthBytes);
}

function withDirect<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, constants.O_RDWR | constants.O_DIRECT);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

export function readDirect(path: string, offsetBytes: number, lengthBytes: number): Buffer {
  const buffer = alignedBuffer(lengthBytes);
  expect(withDirect(path, (fd) => readSync(fd, buffer, 0, lengthBytes, offsetBytes))).toBe(lengthBytes);
  return Buffer.from(buffer);
}

export function writeDirect(path: string, offsetBytes: number, data: Uint8Array): void {
  const buffer = alignedBuffer(data.length);
  buffer.set(data);
  expect(withDirect(path, (fd) => writeSync(fd, buffer, 0, data.length, offsetBytes))).toBe(data.length);
}
