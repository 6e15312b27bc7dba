import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferPool, pageBytes } from '../../../../app/base/buffer-pool.ts';
import { Inbox } from '../../../../app/frontends/nbd/inbox.ts';

function makeInbox(): { inbox: Inbox; pool: BufferPool } {
  const pool = new BufferPool(3 * pageBytes, () => 0);
  pool.reserve(pageBytes);
  return { inbox: new Inbox(pool, pageBytes), pool };
}

describe('the inbox', () => {
  it('hands out the bytes in the order in which they came', () => {
    const actions = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: pageBytes })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(actions, (steps) => {
        const { inbox, pool } = makeInbox();
        let received = 0;
        let taken = 0;
        for (const [isReceive, wish] of steps) {
          if (isReceive) {
            inbox.makeRoom();
            const lengthBytes = Math.min(wish, inbox.freeBytes);
            for (let index = 0; index < lengthBytes; index += 1)
              pool.bytes[inbox.endAt + index] = (received + index) % 251;
            inbox.received(lengthBytes);
            received += lengthBytes;
          } else {
            const lengthBytes = Math.min(wish, inbox.storedBytes);
            const got = [...pool.bytes.subarray(inbox.firstAt, inbox.firstAt + lengthBytes)];
            expect(got).toEqual(Array.from({ length: lengthBytes }, (_, index) => (taken + index) % 251));
            inbox.take(lengthBytes);
            taken += lengthBytes;
          }
          expect(inbox.storedBytes).toBe(received - taken);
        }
        expect(pool.bytes.subarray(2 * pageBytes).every((byte) => byte === 0)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('has all its room again behind what is left', () => {
    const { inbox } = makeInbox();
    inbox.received(pageBytes);
    inbox.take(pageBytes - 20);
    expect(inbox.freeBytes).toBe(0);
    inbox.makeRoom();
    expect(inbox.storedBytes).toBe(20);
    expect(inbox.freeBytes).toBe(pageBytes - 20);
  });

  it('asserts that nobody takes what is not there', () => {
    const { inbox } = makeInbox();
    inbox.received(10);
    expect(() => inbox.take(11)).toThrow('no more is taken than was received');
  });
});
