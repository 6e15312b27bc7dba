import { describe, expect, test } from 'vitest';
import { BufferPool, pageBytes } from '../../../app/base/buffer-pool.ts';
import { blockBytes } from '../../../app/base/units.ts';
import { requestDataBytesMax, requestSlotBytes, RequestTable } from '../../../app/router/request.ts';

function table(capacity: number): RequestTable {
  return new RequestTable(capacity, new BufferPool(capacity * requestSlotBytes, () => 0));
}

describe('the request table', () => {
  test('hands out each slot once and says when none is left', () => {
    const requests = table(3);
    const slots = [requests.claim(), requests.claim(), requests.claim()];
    expect(new Set(slots)).toEqual(new Set([0, 1, 2]));
    expect(requests.claim()).toBe(-1);
    requests.release(slots[1] as number);
    expect(requests.freeCount).toBe(1);
    expect(requests.claim()).toBe(slots[1]);
  });

  test('refuses to take back a slot that is free, also while others are in use', () => {
    const requests = table(2);
    const [slot, other] = [requests.claim(), requests.claim()];
    requests.release(slot);
    expect(() => requests.release(slot)).toThrow('released once');
    expect(() => requests.release(2)).toThrow('released once');
    expect(requests.freeCount).toBe(1);
    requests.release(other);
    expect(() => requests.release(other)).toThrow('released once');
  });

  test('gives every slot buffers of its own, on whole pages, header right in front of the data', () => {
    const requests = table(2);
    const ends: number[] = [];
    for (const slot of [0, 1]) {
      const [header, data] = [requests.headerOffset(slot), requests.dataOffset(slot)];
      const [first, last] = [requests.scratchOffset(slot, 0), requests.scratchOffset(slot, 1)];
      expect([header, data, first, last].every((offset) => offset % pageBytes === 0)).toBe(true);
      expect(data - header).toBe(pageBytes);
      expect(first).toBeGreaterThanOrEqual(data + requestDataBytesMax);
      expect(last).toBeGreaterThanOrEqual(first + blockBytes);
      ends.push(last + blockBytes);
    }
    expect(requests.headerOffset(1)).toBeGreaterThanOrEqual(ends[0] as number);
    expect(ends[1]).toBeLessThanOrEqual(2 * requestSlotBytes);
  });
});
