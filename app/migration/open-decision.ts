/**
 * What a job asks a person, and what follows from the answer: says once what there is to decide, and waits for as
 * long as it takes, for nothing is ever decided by itself. Remembers what was accepted as unreadable, for the
 * engine and for the report; it is durable in the job's record before the engine is told, so that no crash makes a
 * report forget what became zeroes.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { JobState } from '../contract/control.ts';
import { nothingUnreadable } from '../contract/events.ts';
import type { JobEventOf, Unreadable } from '../contract/events.ts';
import { UnreadableError } from '../engine/unreadable-error.ts';
import type { Choice, ChoiceName } from './choice.ts';
import type { Ferry } from './ferry.ts';
import { choicesAfter } from './job-choices.ts';
import type { JobOptions } from './job-options.ts';
import { keepInRecord } from './job-record.ts';
import type { AcceptedUnreadable } from './job-record.ts';
import type { ToldState } from './job-voice.ts';

export interface OpenDecisionOptions {
  readonly job: string;
  readonly choice: Choice;
  readonly emit: (event: JobEventOf<'decision'>) => void;
  /** Before a crash. */
  readonly accepted?: AcceptedUnreadable | undefined;
  /** Makes it durable. */
  readonly keep: (accepted: AcceptedUnreadable) => Promise<void>;
}

export class OpenDecision {
  readonly #options: OpenDecisionOptions;
  #event: JobEventOf<'decision'> | undefined;
  /** By the disk that could not deliver it. */
  #accepted: AcceptedUnreadable;
  #isAccepting = false;
  #failedIn: JobState | undefined;

  constructor(options: OpenDecisionOptions) {
    this.#options = options;
    this.#accepted = options.accepted ?? { source: nothingUnreadable, destination: nothingUnreadable };
  }

  /** While it is waited for. */
  get event(): JobEventOf<'decision'> | undefined {
    return this.#event;
  }

  /** With what the job was at that failed last, for what it tells meanwhile. */
  toldAs(state: JobState): ToldState {
    return { state, failedIn: this.#failedIn };
  }

  /** What was accepted as such. */
  unreadableOf(disk: keyof AcceptedUnreadable): Unreadable {
    return this.#accepted[disk];
  }

  offers(name: ChoiceName): boolean {
    return this.#event?.choices.some(({ choice }) => choice === name) ?? false;
  }

  /** Throws `decision-needed` when it is something else that there is to decide. */
  requireOffered(name: ChoiceName): void {
    if (this.offers(name)) return;
    const message = `${this.#options.job}: cannot ${name}: that is not what there is to decide`;
    throw new DiskferryError('decision-needed', message);
  }

  /** `state` is where the job was when it failed. Throws when the engine dies meanwhile. */
  async ask(ferry: Ferry, error: unknown, state: JobState): Promise<ChoiceName> {
    const { job, emit } = this.#options;
    this.#failedIn = state;
    const unreadable = error instanceof UnreadableError ? error.unreadable : undefined;
    const what = { message: messageOf(error), choices: choicesAfter(error, state) };
    this.#event = { event: 'decision', job, timeMs: Date.now(), ...what, ...(unreadable && { unreadable }) };
    emit(this.#event);
    try {
      const choice = await this.#options.choice.whileServing(ferry.engine.died());
      if (choice !== 'accept-unreadable') return choice;
    } finally {
      this.#event = undefined;
    }
    try {
      await this.#accept(ferry, { unreadable, isUndoing: state === 'undoing' });
      return 'accept-unreadable';
    } catch (why) {
      // An answer that cannot be kept is not acted on.
      return this.ask(ferry, why, state);
    }
  }

  /** Of a job that begins or goes on. */
  static of({ record, directory, emit }: JobOptions, choice: Choice): OpenDecision {
    const { job, accepted } = record;
    return new OpenDecision({
      ...{ job, accepted, choice, emit },
      keep: (now) => keepInRecord(directory, job, { accepted: now }),
    });
  }

  /** True once after something was accepted: the engine is to be told. */
  takeAcceptance(): boolean {
    const isAccepting = this.#isAccepting;
    this.#isAccepting = false;
    return isAccepting;
  }

  /** A disk that has gone cannot say what of it was readable: then all that had been written is lost. */
  async #accept(
    ferry: Ferry,
    { unreadable, isUndoing }: { readonly unreadable: Unreadable | undefined; readonly isUndoing: boolean },
  ): Promise<void> {
    const { writtenBytes } = ferry.engine.progress;
    const now = unreadable ?? { ...nothingUnreadable, totalBytes: writtenBytes };
    const disk = isUndoing ? 'destination' : 'source';
    // When something fails in between, what is asked again is a part of what was accepted before.
    if (now.totalBytes > this.#accepted[disk].totalBytes) {
      const accepted = { ...this.#accepted, [disk]: now };
      await this.#options.keep(accepted);
      this.#accepted = accepted;
    }
    this.#isAccepting = true;
  }
}
