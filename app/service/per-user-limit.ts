/**
 * How much may be done for one user at a time: what goes over it is refused, so that nobody can have the
 * service begin more than it can hold, and what one user asks for never keeps out another.
 */
import { DiskferryError } from '../base/error.ts';

export class PerUserLimit {
  readonly #open = new Map<number, number>();
  readonly #max: number;
  /** What is counted, as people read it. */
  readonly #what: string;

  constructor(max: number, what: string) {
    this.#max = max;
    this.#what = what;
  }

  /** Throws `too-many-requests` without having called `act`. */
  async during<T>(userId: number, act: () => Promise<T>): Promise<T> {
    const open = this.#open.get(userId) ?? 0;
    if (open >= this.#max) {
      const message = `user ${userId}: ${open} ${this.#what} are open, and that is as many as can be`;
      throw new DiskferryError('too-many-requests', message);
    }
    this.#open.set(userId, open + 1);
    try {
      return await act();
    } finally {
      const left = (this.#open.get(userId) ?? 1) - 1;
      if (left === 0) this.#open.delete(userId);
      else this.#open.set(userId, left);
    }
  }
}
