/**
 * Clients that come: one accept waits in the ring as long as there is room for another client, and after one
 * that failed (for want of file descriptors, say) there is a pause. The listening socket belongs to who
 * opened it.
 */
import { closeSync } from 'node:fs';
import { assert } from '../../base/error.ts';
import type { Ring } from '../../../native/ring.ts';

const pauseUs = 100_000;

export interface ListenerTags {
  readonly accept: number;
  readonly cancel: number;
}

export class Listener {
  readonly #ring: Ring;
  readonly #tags: ListenerTags;
  readonly #fd: number;
  #isAccepting = false;
  #isStopping = false;
  #againUs = 0;

  constructor(ring: Ring, listenFd: number, tags: ListenerTags) {
    this.#ring = ring;
    this.#fd = listenFd;
    this.#tags = tags;
  }

  /** True when no client will come any more. */
  get isStopped(): boolean {
    return this.#isStopping && !this.#isAccepting;
  }

  /** False while one waits already, and when there will be none. */
  get canAccept(): boolean {
    return !this.#isAccepting && !this.#isStopping && (this.#ring.clockUs[0] as number) >= this.#againUs;
  }

  accept(): void {
    assert(this.canAccept, 'one accept waits at a time');
    this.#isAccepting = true;
    this.#ring.accept(this.#fd, this.#tags.accept);
  }

  /** The accept is done. Returns the client's socket, or undefined when there is none. */
  accepted(result: number): number | undefined {
    this.#isAccepting = false;
    if (result < 0) {
      this.#againUs = (this.#ring.clockUs[0] as number) + pauseUs;
      return undefined;
    }
    if (!this.#isStopping) return result;
    closeSync(result);
    return undefined;
  }

  stop(): void {
    this.#isStopping = true;
    if (this.#isAccepting) this.#ring.cancel(this.#tags.accept, this.#tags.cancel);
  }
}
