/**
 * What is acquired registers its release; release runs in reverse order, and a failing release never
 * prevents the ones before it. Every owner of mounts, loop devices, files or processes keeps one.
 */

type Release = () => Promise<void> | void;

export class ReleaseStack {
  readonly #entries: { readonly what: string; readonly release: Release }[] = [];

  /**
   * Registers how to give back `what` (a short noun phrase for messages). Returns a function that forgets it.
   */
  add(what: string, release: Release): () => void {
    const entry = { what, release };
    this.#entries.push(entry);
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index >= 0) this.#entries.splice(index, 1);
    };
  }

  /** Releases everything, last acquired first. Throws one AggregateError if any release failed. */
  async releaseAll(): Promise<void> {
    const failures: Error[] = [];
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry.release();
      } catch (cause) {
        failures.push(new Error(`could not release ${entry.what}`, { cause }));
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(
        failures,
        failures.map((failure) => `${failure.message}: ${String(failure.cause)}`).join('; '),
      );
    }
  }
}
