/**
 * What a person tells a job to do while it waits or works: cut over, try again, do without what cannot be read, or
 * undo. A choice made before anybody asks is kept, so that an undo during a step takes effect when the step allows
 * it; undo outweighs the others.
 */
import { BugError } from '../base/error.ts';

export type ChoiceName = 'cutover' | 'verify' | 'retry' | 'accept-unreadable' | 'undo';

export type End<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'chosen'; readonly choice: ChoiceName };

export class Choice {
  #made: ChoiceName | undefined;
  #asker: ((choice: ChoiceName) => void) | undefined;

  make(choice: ChoiceName): void {
    if (this.#made !== 'undo') this.#made = choice;
    this.#answer();
  }

  /** The next choice, or the one made already. */
  next(): Promise<ChoiceName> {
    return new Promise((resolve) => {
      this.#asker = resolve;
      this.#answer();
    });
  }

  /** True, once, if undo was chosen and nobody has asked since. */
  takeUndo(): boolean {
    if (this.#made !== 'undo') return false;
    this.#made = undefined;
    return true;
  }

  /** Waits for the work or for a choice, whichever is first. */
  async during<T>(work: Promise<T>): Promise<End<T>> {
    const ended: Promise<End<T>> = work.then(
      (value) => ({ kind: 'done', value }),
      (error: unknown) => ({ kind: 'failed', error }),
    );
    const chosen: Promise<End<T>> = this.next().then((choice) => ({ kind: 'chosen', choice }));
    const end = await Promise.race([ended, chosen]);
    this.#asker = undefined;
    return end;
  }

  #answer(): void {
    if (this.#made === undefined || this.#asker === undefined) return;
    const asker = this.#asker;
    const choice = this.#made;
    this.#asker = undefined;
    this.#made = undefined;
    asker(choice);
  }

  /** What the person chooses, however long it takes; throws when the engine dies meanwhile. */
  async whileServing(died: Promise<never>): Promise<ChoiceName> {
    const end = await this.during(died);
    if (end.kind === 'chosen') return end.choice;
    throw end.kind === 'failed' ? end.error : new BugError('the engine has died without a reason');
  }
}
