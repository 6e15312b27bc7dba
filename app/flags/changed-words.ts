/**
 * Which words of a flag map have changed since somebody took them: ranges of words, for a copy of the map that
 * is kept up with it (engine/live-map.ts). Allocates nothing, and is limited (invariant 10): when there are too
 * many ranges the last one grows over what lies between.
 */
const rangesMax = 512;

export class ChangedWords {
  /** Pairs: the first word, and the one behind the last. */
  readonly ranges = new Int32Array(2 * rangesMax);
  #count = 0;

  /** How many of the pairs hold. */
  get count(): number {
    return this.#count;
  }

  note(firstWord: number, endWord: number): void {
    const last = 2 * (this.#count - 1);
    if (last >= 0) {
      const first = this.ranges[last] as number;
      const end = this.ranges[last + 1] as number;
      const touches = firstWord <= end && endWord >= first;
      if (touches || this.#count === rangesMax) {
        this.ranges[last] = Math.min(first, firstWord);
        this.ranges[last + 1] = Math.max(end, endWord);
        return;
      }
    }
    this.ranges[last + 2] = firstWord;
    this.ranges[last + 3] = endWord;
    this.#count += 1;
  }

  clear(): void {
    this.#count = 0;
  }
}
