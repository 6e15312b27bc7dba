/**
 * One line of text per event, for people who watch a log and for a terminal's scroll-back. Says what
 * happened, to which disk, and whether the data is safe; programs read the JSON lines instead.
 */
import type { Interruption, JobEvent, JobEventOf, JobReport } from '../contract/events.ts';
import { formatBytes, formatDuration, formatEta, formatLatency, formatRate } from './format.ts';
import { controlCommand, systemStateDirectory } from './state-directory.ts';

/**
 * Remembers from the plan where the job keeps its state, because commands named later must work, and whether a disk was
 * warned of that shows.
 */
export class EventTeller {
  #stateDirectory = systemStateDirectory;
  #mayOtherShow = false;

  textOf(event: JobEvent): string {
    if (event.event === 'planned') this.#stateDirectory = event.plan.stateDirectory;
    if (event.event === 'warning' && event.code === 'disk-not-hidden') this.#mayOtherShow = true;
    return eventText(event, this.#stateDirectory, this.#mayOtherShow);
  }
}

/** `mayOtherShow`: a warning has said that programs may know the disk, too, that is not the volume at the end. */
export function eventText(event: JobEvent, stateDirectory: string, mayOtherShow = false): string {
  switch (event.event) {
    case 'planned':
      return plannedText(event);
    case 'attached':
      return `The virtual device is ${event.device}. Writes go to the destination from now on.`;
    case 'progress':
      return progressText(event);
    case 'paused':
      return 'Copying is paused. The volume stays in use; writes still go to the destination.';
    case 'resumed':
      return 'Copying goes on.';
    case 'interrupted':
      return `The volume ${interruptionText(event)}.`;
    case 'graduated':
      return (
        `${formatBytes(event.directBytes)} from the start have crossed and are used straight on the destination; for ` +
        `that, the volume stood still for ${formatDuration(event.elapsedMs)}.`
      );
    case 'warning':
      return `Note: ${event.message}`;
    case 'decision':
      return decisionText(event, stateDirectory);
    case 'synchronized':
      return crossedText(event);
    case 'verified':
      return verifiedText(event);
    case 'committed':
      return 'Committed: the destination now holds the volume. The source is no longer kept up to date.';
    case 'undone':
      return undoneText(event, mayOtherShow);
    case 'finished':
      return finishedText(event);
    case 'failed':
      return `Failed: ${event.message}. ${event.advice}`;
  }
}

function undoneText({ report }: JobEventOf<'undone'>, mayOtherShow: boolean): string {
  const but = report.unreadable.totalBytes > 0 ? ' but what was lost' : '';
  const other = mayOtherShow
    ? 'The destination may be taken for the volume, too: see the note about it above.'
    : 'Nothing takes the destination for the volume.';
  return `Undone: the source holds everything that was written${but}.${staysText(report)} ${other}${lostText(report)}`;
}

function crossedText({ acceptedBytes }: JobEventOf<'synchronized'>): string {
  if (acceptedBytes === undefined) return 'Every block has crossed. The destination is complete.';
  const size = formatBytes(acceptedBytes);
  return `All that could be read has crossed. ${size} of the source could not: on the destination they are zeroes.`;
}

function plannedText({ plan, job }: JobEventOf<'planned'>): string {
  const { source, destination, copy, warnings } = plan;
  const parts = [
    `Job ${job}: ${source.path} (${formatBytes(source.sizeBytes)}) to ${destination.path}.`,
    destination.toBeCreated ? `Making ${destination.path}.` : `Erasing ${destination.path}.`,
    // Where it is a warning, it follows as one.
    ...(warnings.some(({ message }) => message === copy.reason) ? [] : [copy.reason]),
  ];
  return parts.join(' ');
}

export function returnText({ toReturnBytes }: JobEventOf<'progress'>): string {
  return `Going back to the source: ${formatBytes(toReturnBytes)} left`;
}

export function readBackText({ verifiedBytes, totalBytes }: JobEventOf<'progress'>): string {
  return `Reading back: ${((verifiedBytes / totalBytes) * 100).toFixed(1)} % of ${formatBytes(totalBytes)}`;
}

function verifiedText({ checkedBytes, repairedBytes, writtenBytes, unknownBytes }: JobEventOf<'verified'>): string {
  const repaired = repairedBytes === 0 ? '' : `, ${formatBytes(repairedBytes)} of it after a repair`;
  const written =
    writtenBytes === 0 ? '' : ` ${formatBytes(writtenBytes)} that users have written could not be compared.`;
  const unknown =
    unknownBytes === 0
      ? ''
      : ` ${formatBytes(unknownBytes)} were copied before the engine was replaced, and were not compared.`;
  return `Verified: ${formatBytes(checkedBytes)} of the destination were read back and are right${repaired}.${written}${unknown}`;
}

export function crossedBytes(event: JobEventOf<'progress'>): number {
  return event.totalBytes - event.pendingBytes;
}

/** Its users' requests pass us by, and are not measured. */
export function isWhollyDirect({ directBytes, totalBytes }: JobEventOf<'progress'>): boolean {
  return totalBytes > 0 && directBytes === totalBytes;
}

function progressText(event: JobEventOf<'progress'>): string {
  const { totalBytes, copyBytesPerSecond } = event;
  if (event.phase === 'undoing') {
    return [returnText(event), formatRate(copyBytesPerSecond), formatEta(event.etaSeconds)].join(' · ');
  }
  if (event.phase === 'verifying') {
    return [readBackText(event), formatRate(copyBytesPerSecond), formatEta(event.etaSeconds)].join(' · ');
  }
  const crossed = crossedBytes(event);
  const percent = ((crossed / totalBytes) * 100).toFixed(1);
  const parts = [
    `${percent} % (${formatBytes(crossed)} of ${formatBytes(totalBytes)})`,
    // Nothing is copied any more, and nothing is left to wait for.
    ...(event.phase === 'synchronized' ? [] : [formatRate(copyBytesPerSecond), formatEta(event.etaSeconds)]),
    volumeText(event),
    ...(event.unreadableBytes > 0 ? [unreadableText(event)] : []),
  ];
  return parts.join(' · ');
}

function volumeText(event: JobEventOf<'progress'>): string {
  if (isWhollyDirect(event)) return 'volume: used straight on the destination';
  const { readIops, writeIops, p99Us } = event.consumer;
  const requests = readIops + writeIops;
  return requests === 0 ? 'volume: idle' : `volume: ${requests} requests/s, p99 ${formatLatency(p99Us)}`;
}

export function unreadableText({ unreadableBytes }: JobEventOf<'progress'>): string {
  return `not readable so far: ${formatBytes(unreadableBytes)}`;
}

/** What may be lost only the message knows: after a failed flush nobody can promise anything. */
function decisionText({ job, message, choices }: JobEventOf<'decision'>, stateDirectory: string): string {
  const ways = choices.map(
    ({ choice, meaning }) => `"${controlCommand(choice, job, stateDirectory)}" to ${meaning}`,
  );
  return `Needs a decision: ${message}. Meanwhile the volume stays in use. Run ${ways.join(', or ')}.`;
}

function finishedText({ report }: JobEventOf<'finished'>): string {
  const { elapsedMs, copiedBytes, redirectedBytes, skippedBytes, longestStallMs } = report;
  const away = interruptionsText(report.interruptions);
  return [
    `Done in ${formatDuration(elapsedMs)}:`,
    `${formatBytes(copiedBytes)} copied,`,
    `${formatBytes(redirectedBytes)} written by users while moving,`,
    `${formatBytes(skippedBytes)} free and left out;`,
    `longest wait of one request ${formatDuration(longestStallMs)}`,
    away === '' ? '.' : `; it ${away}.`,
  ]
    .join(' ')
    .replace(' .', '.')
    .replace(' ;', ';')
    .concat(staysText(report), lostText(report));
}

function staysText({ staysOn }: JobReport): string {
  return staysOn === null ? '' : ` It is used through ${staysOn} until whoever uses it lets it go.`;
}

/** So many places are named in a line; programs get more. */
const namedPlacesMax = 5;

function lostText({ unreadable, unreadableFiles }: JobReport): string {
  const { extents, extentCount, totalBytes } = unreadable;
  if (totalBytes === 0) return '';
  const places = extents
    .slice(0, namedPlacesMax)
    .map(({ offsetBytes, lengthBytes }) => `${lengthBytes} bytes at ${offsetBytes}`);
  const more = extentCount - places.length;
  if (more > 0) places.push(`${more} more places`);
  const { paths, unknown } = unreadableFiles;
  if (paths.length > 0) places.push(`in the files ${paths.join(', ')}`);
  if (unknown !== null) places.push(`which files these are is not wholly known (${unknown})`);
  const where = places.length === 0 ? '' : `: ${places.join(', ')}`;
  return ` LOST, because it could not be read: ${formatBytes(totalBytes)}${where}.`;
}

/** The same word is not said twice. */
function interruptionsText(all: readonly Interruption[]): string {
  return all
    .map((one, index) => (one.how === all[index - 1]?.how ? durationText(one) : interruptionText(one)))
    .join(' and ');
}

function interruptionText(interruption: Interruption): string {
  return `${interruption.how === 'unmounted' ? 'was away' : 'stood still'} ${durationText(interruption)}`;
}

function durationText({ at, elapsedMs }: Interruption): string {
  return `for ${formatDuration(elapsedMs)} at the ${at}`;
}
