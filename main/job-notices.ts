/**
 * What a person is told at once of a job, as pure functions: how it has ended, that it waits for a decision, for
 * its cut-over or until nobody uses the volume, or that nobody serves it any more. No notice says more than the
 * event does.
 */
import type { JobEvent, JobEventOf } from '../app/contract/events.ts';
import type { Plan } from '../app/contract/plan.ts';

export interface Notice {
  readonly title: string;
  readonly body: string;
  /** It waits for the person, or nobody serves a volume: told also to who looks at the window, which may show another job. */
  readonly isUrgent?: boolean;
}

/** What is known of a job, for the words. */
export interface JobSubject {
  readonly source: string;
  readonly plan: Plan | null;
}

/** Null for what nobody must be told at once. */
export function noticeOf(event: JobEvent, { source, plan }: JobSubject): Notice | null {
  switch (event.event) {
    case 'finished':
      return finishedNotice(event, { source, plan });
    case 'undone':
      return undoneNotice(event, source);
    case 'failed':
      return { title: 'The move has failed', body: event.message, isUrgent: true };
    case 'decision':
      return { title: 'A move waits for your decision', body: `${event.message}. Do not unplug a disk.`, isUrgent: true };
    case 'warning':
      return event.code === 'volume-busy' ? letGoNotice(event.message) : null;
    default:
      return null;
  }
}

/** It may wait for hours, and goes on by itself then. */
function letGoNotice(message: string): Notice {
  return { title: 'A move waits: its volume is in use', body: `${message}.`, isUrgent: true };
}

function finishedNotice({ verified, report }: JobEventOf<'finished'>, { source, plan }: JobSubject): Notice {
  const { unreadable, warnings } = report;
  const isUnverified = !verified && plan?.verifies === true;
  const hasPoints = unreadable.totalBytes > 0 || isUnverified || warnings.length > 0;
  const body = `${source}: the destination holds the volume now.`;
  if (!hasPoints) return { title: 'The move is complete', body };
  return { title: 'The move is complete, with points to note', body: `${body} Open Diskferry to read them.` };
}

function undoneNotice({ report }: JobEventOf<'undone'>, source: string): Notice {
  const title = 'The move was undone';
  if (report.unreadable.totalBytes === 0) return { title, body: `${source} holds everything that was written.` };
  return { title, body: `${source} holds the volume again, but not all that was written. Open Diskferry to read more.` };
}

/** Every block has crossed for good: not before it was read back, where that was asked for. */
export function hasCrossed({ event }: JobEvent, plan: Plan | null): boolean {
  return event === 'verified' || (event === 'synchronized' && plan?.verifies === false);
}

export function crossedNotice(source: string): Notice {
  return { title: 'Everything has crossed', body: `${source}: the move is ready for its cut-over.` };
}

export function diedNotice(source: string): Notice {
  const body = `${source}: nobody serves the volume now. Leave both disks connected, and open Diskferry to go on or back.`;
  return { title: 'A move has stopped', body, isUrgent: true };
}
