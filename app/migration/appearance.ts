/**
 * Which of the two disks programs recognise while the virtual device is served, together with the word of the
 * journal that comes before each change: the destination from the commit on, the source from the end of an
 * undo on, otherwise neither.
 *
 * Data goes before appearance: a disk that cannot be hidden or shown as it should never keeps what was written
 * from going back to the source.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import type { Engine } from '../engine/engine.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { ShownDestination } from './shown-destination.ts';

export type MaskingEngine = Pick<Engine, 'enterPhase' | 'mask' | 'unmask' | 'unmaskReadable'>;

export interface AppearanceOptions {
  readonly engine: MaskingEngine;
  readonly shown: ShownDestination;
}

export class Appearance {
  readonly #engine: MaskingEngine;
  readonly #shown: ShownDestination;
  /** A commit has been tried. */
  #mayShowDestination = false;
  /** Its users may be there, and write past us. */
  #showsSource = false;

  constructor({ engine, shown }: AppearanceOptions) {
    this.#engine = engine;
    this.#shown = shown;
  }

  /** The journal says that the destination is the truth, and nothing leads back after a crash. */
  async showDestination(): Promise<void> {
    await this.#engine.enterPhase(jobPhases.committing);
    this.#mayShowDestination = true;
    await this.#engine.unmask('destination');
  }

  /**
   * What a commit that failed has begun to show, as far as that can be done: tried once, and no failure of the
   * undo. The journal still says that the destination is the truth. True: something may have changed there.
   */
  async hideDestination(): Promise<boolean> {
    if (!this.#mayShowDestination) return false;
    this.#mayShowDestination = false;
    await this.#shown.hiddenBy(() => this.#engine.mask('destination'));
    return true;
  }

  /**
   * While nobody waits: finds the places that the source cannot deliver, which then cost no time any more. Those that an
   * earlier try has shown stay so: the source is about to show in any case.
   */
  async lookAtSource(): Promise<void> {
    if (this.#showsSource) return;
    await this.#engine.mask('source').catch((error: unknown) => {
      if (!(error instanceof DiskferryError) || error.code !== 'mask-failed') throw error;
    });
  }

  /**
   * The source is the truth, also after a crash. `isHeld`: users wait meanwhile, so bad places are not tried again.
   * When it fails, the journal says again that the undo is under way: users go on over the virtual device, and
   * what the source refuses of what they write is on the destination only.
   */
  async showSource(isHeld: boolean): Promise<void> {
    if (this.#showsSource) return;
    await this.#engine.enterPhase(jobPhases.undone);
    try {
      if (isHeld) await this.#engine.unmaskReadable('source');
      // What a bad disk cannot deliver twice is left: the source must be let go all the same.
      else await this.#engine.unmask('source').catch(() => this.#engine.unmaskReadable('source'));
    } catch (error) {
      throw await afterFailure(error, () => this.#takeBackSource());
    }
    this.#showsSource = true;
  }

  async #takeBackSource(): Promise<void> {
    try {
      await this.#engine.mask('source');
    } finally {
      await this.#engine.enterPhase(jobPhases.undoing);
    }
  }
}
