/**
 * What a job says while it runs: every event with its job and time, warnings that the report repeats, and the
 * progress, of which the last is kept for whoever asks for the status.
 */
import { messageOf } from '../base/error.ts';
import type { JobState } from '../contract/control.ts';
import type { EventBody, JobEvent, JobEventOf } from '../contract/events.ts';
import { sharesText } from '../contract/places.ts';
import type { Places } from '../contract/places.ts';
import type { Engine } from '../engine/engine.ts';
import type { PlaceLevels } from '../engine/place-survey.ts';
import { phaseOf } from './job-choices.ts';
import { ProgressMeter } from './progress-meter.ts';

const progressMs = 1000;

type WarningCode = JobEventOf<'warning'>['code'];

const failedText =
  "a disk failed what the volume's users asked for; what they wrote then may be on neither disk";

export function takenOverText(source: string, why: string): string {
  const what = 'another one has taken over, and nothing that was acknowledged is lost';
  return `${source}: the process that served it died (${why}); ${what}`;
}

export interface JobVoiceOptions {
  readonly job: string;
  readonly source: { readonly path: string; readonly sizeBytes: number };
  readonly emit: (event: JobEvent) => void;
}

export class JobVoice {
  readonly #options: JobVoiceOptions;
  readonly #meter: ProgressMeter;
  readonly #warnings: string[] = [];
  #lastProgress: JobEventOf<'progress'> | undefined;

  constructor(options: JobVoiceOptions) {
    this.#options = options;
    this.#meter = new ProgressMeter(options.source.sizeBytes);
  }

  get warnings(): string[] {
    return this.#warnings;
  }

  get lastProgress(): JobEventOf<'progress'> | undefined {
    return this.#lastProgress;
  }

  emit(body: EventBody): void {
    this.#options.emit({ ...body, job: this.#options.job, timeMs: Date.now() });
  }

  warn(code: WarningCode, message: string): void {
    this.#warnings.push(message);
    this.emit({ event: 'warning', code, message });
  }

  warnOnce(code: WarningCode, message: string): void {
    if (!this.#warnings.includes(message)) this.warn(code, message);
  }

  /** Tells the progress again and again while something goes on. */
  async repeating<T>(tell: () => void, act: () => Promise<T>): Promise<T> {
    const progress = setInterval(tell, progressMs);
    try {
      return await act();
    } finally {
      clearInterval(progress);
    }
  }

  /** What cannot be released, such as a device in use, changes nothing of where the data is or why a job failed. */
  async releasing(letGo: () => Promise<void> | undefined): Promise<void> {
    try {
      await letGo();
    } catch (error) {
      this.warn('release-failed', messageOf(error));
    }
  }

  /** @param failedIn of a job that waits for a decision */
  progress({ state, failedIn }: ToldState, { progress, consumer, places }: Engine, directBytes: number): void {
    const { job, source, emit } = this.#options;
    const measured = this.#meter.measure(phaseOf(state, failedIn), performance.now(), progress, consumer);
    // Consumers were told of each, but what they do about it few people see.
    if (consumer.failedRequests > 0) this.warnOnce('consumer-failed', `${source.path}: ${failedText}`);
    this.#lastProgress = { event: 'progress', job, timeMs: Date.now(), ...measured, directBytes, places: placesOf(places) };
    emit(this.#lastProgress);
  }
}

export interface ToldState {
  readonly state: JobState;
  readonly failedIn: JobState | undefined;
}

function placesOf({ partBytes, crossed, written, free, unreadable }: PlaceLevels): Places {
  return {
    partBytes,
    ...{ crossed: sharesText(crossed), written: sharesText(written) },
    ...{ free: sharesText(free), unreadable: sharesText(unreadable) },
  };
}
