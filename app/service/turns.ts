/**
 * Lets only so many at once do something, and the others wait for their turn, in the order of their coming. A
 * job's control socket takes few connections and lets the oldest go for a new one: that must not be ours.
 */
export class Turns {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #open = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async during<T>(act: () => Promise<T>): Promise<T> {
    if (this.#open >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#open += 1;
    try {
      return await act();
    } finally {
      // Whoever comes next takes our place, so that nobody can come between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#open -= 1;
      else next();
    }
  }
}
