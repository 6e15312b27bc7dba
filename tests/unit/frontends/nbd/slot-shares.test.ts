import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferPool } from '../../../../app/base/buffer-pool.ts';
import { SlotShares, noSlot } from '../../../../app/frontends/nbd/slot-shares.ts';
import { RequestTable, requestSlotBytes } from '../../../../app/router/request.ts';

const slotCount = 24;

function makeShares(connectionCount: number): SlotShares {
  const pool = new BufferPool(slotCount * requestSlotBytes, () => 0);
  return new SlotShares(new RequestTable(slotCount, pool), connectionCount);
}

describe('shares of the request slots', () => {
  it('give half of the slots to whoever needs more', () => {
    const shares = makeShares(4);
    expect(shares.guaranteed).toBe(3);
    let claimed = 0;
    while (shares.claim(0) !== noSlot) claimed += 1;
    expect(claimed).toBe(12 + 3);
  });

  it('keep what is guaranteed to each connection, whatever the others hold', () => {
    const shares = makeShares(4);
    while (shares.claim(0) !== noSlot);
    for (const connection of [1, 2, 3]) {
      for (let count = 0; count < 3; count += 1) expect(shares.claim(connection)).not.toBe(noSlot);
      expect(shares.claim(connection)).toBe(noSlot);
    }
  });

  it('refuse to exist when there is not one slot for each connection', () => {
    expect(() => makeShares(slotCount)).toThrow('at least two request slots for each connection');
  });

  it('lose no slot and refuse nobody below its guarantee, in any order of claims and releases', () => {
    const actions = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.boolean()), { maxLength: 300 });
    fc.assert(
      fc.property(actions, (steps) => {
        const shares = makeShares(4);
        const held: number[][] = [[], [], [], []];
        for (const [connection, isClaim] of steps) {
          const mine = held[connection] ?? [];
          if (isClaim) {
            const slot = shares.claim(connection);
            if (slot === noSlot) expect(mine.length).toBeGreaterThanOrEqual(shares.guaranteed);
            else mine.push(slot);
          } else {
            const slot = mine.pop();
            if (slot !== undefined) shares.release(connection, slot);
          }
          expect(shares.heldBy(connection)).toBe(mine.length);
          expect(new Set(held.flat()).size).toBe(held.flat().length);
        }
        for (const [connection, slots] of held.entries())
          for (const slot of slots) shares.release(connection, slot);
        let claimed = 0;
        while (shares.claim(0) !== noSlot) claimed += 1;
        expect(claimed).toBe(12 + 3);
      }),
    );
  });
});
