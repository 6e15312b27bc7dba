import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbox } from '../../../../app/frontends/nbd/outbox.ts';

describe('the outbox', () => {
  it('gives slots back in order, each when its last byte is out, however the socket takes them', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.integer({ min: 1, max: 60 })), (pieces, accepted) => {
        const released: number[] = [];
        const outbox = new Outbox(8, (slot) => released.push(slot));
        pieces.forEach((lengthBytes, slot) => outbox.put(slot, slot * 100, lengthBytes));
        const total = pieces.reduce((sum, lengthBytes) => sum + lengthBytes, 0);
        for (let sent = 0; sent < total;) {
          const now = Math.min(total - sent, accepted.next().value as number);
          outbox.sent(now);
          sent += now;
          const ends = pieces.map((_, index) =>
            pieces.slice(0, index + 1).reduce((sum, bytes) => sum + bytes, 0),
          );
          expect(released).toEqual(ends.flatMap((end, slot) => (end <= sent ? [slot] : [])));
        }
        expect(outbox.isEmpty).toBe(true);
      }),
    );
  });

  it('goes on in a circle', () => {
    const released: number[] = [];
    const outbox = new Outbox(2, (slot) => released.push(slot));
    for (let slot = 0; slot < 5; slot += 1) {
      outbox.put(slot, 0, 10);
      outbox.sent(10);
    }
    expect(released).toEqual([0, 1, 2, 3, 4]);
  });

  it('gives all slots back when nobody will take the answers', () => {
    const released: number[] = [];
    const outbox = new Outbox(4, (slot) => released.push(slot));
    for (let slot = 0; slot < 3; slot += 1) outbox.put(slot, 0, 10);
    outbox.sent(5);
    outbox.clear();
    expect(released).toEqual([0, 1, 2]);
    expect(outbox.isEmpty).toBe(true);
  });

  it('asserts that no more is sent than was there', () => {
    const outbox = new Outbox(1, () => undefined);
    outbox.put(0, 0, 10);
    expect(() => outbox.sent(11)).toThrow('no more is sent than was there');
  });
});
