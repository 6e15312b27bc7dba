/**
 * Who may hold how many request slots: half of them are divided among the connections, for good, the other
 * half is for whoever needs more. So a client that never takes its answers can slow the others down and never
 * stop them.
 *
 * Always holds: a connection that holds fewer slots than it is guaranteed gets one.
 */
import { assert } from '../../base/error.ts';
import type { RequestTable } from '../../router/request.ts';

export const noSlot = -1;

export class SlotShares {
  /** Slots that each connection can always have. */
  readonly guaranteed: number;
  readonly #requests: RequestTable;
  readonly #held: Int32Array;
  #sharedFree: number;

  constructor(requests: RequestTable, connectionCount: number) {
    this.#requests = requests;
    this.#held = new Int32Array(connectionCount);
    this.guaranteed = Math.floor(requests.capacity / (2 * connectionCount));
    assert(this.guaranteed >= 1, 'there are at least two request slots for each connection');
    this.#sharedFree = requests.capacity - this.guaranteed * connectionCount;
  }

  heldBy(connection: number): number {
    return this.#held[connection] as number;
  }

  /** A slot for the connection, or `noSlot` when it has its share and the common ones are in use. */
  claim(connection: number): number {
    const held = this.heldBy(connection);
    if (held >= this.guaranteed) {
      if (this.#sharedFree === 0) return noSlot;
      this.#sharedFree -= 1;
    }
    const slot = this.#requests.claim();
    assert(slot >= 0, 'the frontend alone uses the request slots');
    this.#held[connection] = held + 1;
    return slot;
  }

  release(connection: number, slot: number): void {
    const held = this.heldBy(connection);
    assert(held > 0, 'a connection releases only slots that it holds');
    if (held > this.guaranteed) this.#sharedFree += 1;
    this.#held[connection] = held - 1;
    this.#requests.release(slot);
  }
}
