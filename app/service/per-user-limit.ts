/**
 * How much may be done for one user at a time, and for all that are not root together: what goes over it is
 * refused, so that nobody can have the service begin more than it can hold. What one user asks for never keeps
 * out another; many together can keep out others, but not root.
 */
import { DiskferryError } from '../base/error.ts';

export interface Allowance {
  readonly perUserMax: number;
  /** Of all users but root. */
  readonly totalMax: number;
}

export class PerUserLimit {
  readonly #open = new Map<number, number>();
  readonly #allowance: Allowance;
  /** What is counted, as people read it. */
  readonly #what: string;

  constructor(allowance: Allowance, what: string) {
    this.#allowance = allowance;
    this.#what = what;
  }

  /** Throws `too-many-requests` without having called `act`. */
  async during<T>(userId: number, act: () => Promise<T>): Promise<T> {
    const open = this.#open.get(userId) ?? 0;
    if (open >= this.#allowance.perUserMax)
      throw tooMany(`user ${userId}: ${open} ${this.#what} are open, and that is as many as can be`);
    if (userId !== 0 && this.#total() >= this.#allowance.totalMax)
      throw tooMany(`user ${userId}: users together have as many ${this.#what} open as can be`);
    this.#open.set(userId, open + 1);
    try {
      return await act();
    } finally {
      const left = (this.#open.get(userId) ?? 1) - 1;
      if (left === 0) this.#open.delete(userId);
      else this.#open.set(userId, left);
    }
  }

  #total(): number {
    return [...this.#open].reduce((sum, [userId, count]) => (userId === 0 ? sum : sum + count), 0);
  }
}

function tooMany(message: string): DiskferryError {
  return new DiskferryError('too-many-requests', message);
}
