/** What a report says of each event: past, and without commands to type. */
import type { JobEvent, JobEventOf } from '../events.ts';
import { bytesText, durationText } from './words.ts';

export function eventSentence(event: JobEvent): string {
  switch (event.event) {
    case 'planned':
      return `Planned: ${event.plan.source.path} to ${event.plan.destination.path}`;
    case 'attached':
      return `The virtual device ${event.device} took the source's place`;
    case 'progress':
      return `${bytesText(event.totalBytes - event.pendingBytes)} of ${bytesText(event.totalBytes)} had crossed`;
    case 'paused':
      return 'Copying was paused';
    case 'resumed':
      return 'Copying went on';
    case 'interrupted':
      return `The volume was ${event.how} for ${durationText(event.elapsedMs)} at the ${event.at}`;
    case 'graduated':
      return `${bytesText(event.directBytes)} from the start were used straight on the destination from now on`;
    case 'warning':
      return `Note: ${event.message}`;
    case 'decision':
      return `A decision was asked for: ${event.message}`;
    case 'synchronized':
      return event.acceptedBytes === undefined
        ? 'Every block had crossed'
        : `All had crossed but ${bytesText(event.acceptedBytes)} that could not be read`;
    case 'verified':
      return `${bytesText(event.checkedBytes)} of the destination were read back and were right`;
    case 'committed':
      return 'Committed: from here on the destination was the truth';
    case 'undone':
      return `Undone: the source held everything that was written${lostText(event)}`;
    case 'finished':
      return 'Finished';
    case 'failed':
      return `Failed: ${event.message}`;
  }
}

function lostText({ report }: JobEventOf<'undone'>): string {
  const { totalBytes } = report.unreadable;
  return totalBytes === 0 ? '' : ` but ${bytesText(totalBytes)} that could not be read`;
}
