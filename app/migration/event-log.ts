/**
 * The events of one job: kept in a file of its directory, one JSON object a line, so that who comes later can
 * read what has happened, and told to whoever follows. Progress is told and not kept; who comes later gets
 * the last one.
 *
 * A job has a few dozen events, but a person can pause and resume without end: so both the file and what is
 * held in memory are limited (invariant 10), and the oldest events stay. A file that cannot be written is said
 * once and changes nothing for the job.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/error.ts';
import { eventsFileName } from '../contract/control.ts';
import type { JobEvent, JobEventOf } from '../contract/events.ts';
import { jobEventSchema } from '../contract/events.ts';

const keptMax = 1000;

/** Nothing follows these. */
export type LastEvent = JobEventOf<'finished' | 'undone' | 'failed'>;
export type EventListener = (event: JobEvent) => void;

export class EventLog {
  /** Null: in memory only. */
  readonly #path: string | null;
  readonly #listeners = new Set<EventListener>();
  readonly #kept: JobEvent[] = [];
  #progress: JobEventOf<'progress'> | undefined;
  #isKeptOnDisk = true;

  /** `directory`: null for somebody who only listens, such as the service. */
  constructor(directory: string | null) {
    this.#path = directory === null ? null : join(directory, eventsFileName);
  }

  add(event: JobEvent): void {
    if (event.event === 'progress') this.#progress = event;
    else if (isLast(event) || this.#kept.length < keptMax) this.#keep(event);
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** What a process that was killed has kept; the line that it was at may be torn. */
  loadKept(): void {
    if (this.#path === null) return;
    for (const line of readKept(this.#path)) {
      const { data } = jobEventSchema.safeParse(line);
      if (data !== undefined) this.#kept.push(data);
    }
  }

  onAdd(listener: EventListener): void {
    this.#listeners.add(listener);
  }

  /** All that has been kept, the last progress, and then whatever comes. Returns a function that ends it. */
  follow(listener: EventListener): () => void {
    for (const event of this.#kept) listener(event);
    if (this.#progress !== undefined && !this.#kept.some(isLast)) listener(this.#progress);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** All that has been kept. */
  events(): JobEvent[] {
    return [...this.#kept];
  }

  #keep(event: JobEvent): void {
    this.#kept.push(event);
    if (this.#path === null || !this.#isKeptOnDisk) return;
    try {
      appendFileSync(this.#path, `${JSON.stringify(event)}\n`, { mode: 0o600 });
    } catch (error) {
      this.#isKeptOnDisk = false;
      const message = `${this.#path}: what happens from now on is not kept there: ${messageOf(error)}`;
      this.add({ event: 'warning', job: event.job, timeMs: Date.now(), code: 'events-not-kept', message });
    }
  }
}

function readKept(path: string): unknown[] {
  try {
    return readFileSync(path, 'utf8').split('\n').map(parsed);
  } catch {
    return [];
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export function isLast(event: JobEvent): event is LastEvent {
  return event.event === 'finished' || event.event === 'undone' || event.event === 'failed';
}
