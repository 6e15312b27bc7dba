/**
 * The end of a job that died when one disk was the truth already: nothing is left to move, so its users get
 * that disk, and the job is over. No engine; all that is written is what makes that disk recognisable again.
 */
import { statSync } from 'node:fs';
import { DiskferryError, messageOf } from '../base/error.ts';
import { nothingUnreadable } from '../contract/events.ts';
import type { EventBody, JobReport } from '../contract/events.ts';
import type { Plan, PlannedDisk, PlannedMount } from '../contract/plan.ts';
import { majorMinorOf } from '../devices/block-device.ts';
import { identitiesAtRest, placesLeft, showIfHidden, tellPlacesLeft } from '../devices/disk-at-rest.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import { readMounts, sourceDevice } from '../devices/mounts.ts';
import { Users } from '../substitution/users.ts';
import { VolumeMounts } from '../substitution/volume-mounts.ts';
import { filesOf } from './job-report.ts';
import type { JobRecord } from './job-record.ts';
import { readBootId } from './job-record.ts';
import type { RecoverableJob } from './recovery.ts';
import { showPartitions } from './show-partitions.ts';

export async function finishRecovered(
  { plan, absent, record, continuation }: RecoverableJob,
  say: (event: EventBody) => void,
): Promise<void> {
  const warnings: string[] = [];
  const emit = (event: EventBody): void => {
    if (event.event === 'warning') warnings.push(event.message);
    say(event);
  };
  const isOnDestination = continuation === 'finish-on-destination';
  emit({ event: 'planned', plan });
  if (isOnDestination) emit({ event: 'committed' });
  const truth = isOnDestination ? plan.destination : plan.source;
  const claim = plan.way === 'live' ? 'shared' : 'exclusive';
  const isShown = await showIfHidden(truth, { volumeSizes: [plan.source.sizeBytes], claim });
  if (isShown) await showPartitionsOf(plan, absent, emit);
  await tellPlaces(plan, { isOnDestination, emit });
  await tellOther(plan, { record, absent, isOnDestination, emit });
  await giveToUsers(plan, { record, isOnDestination, emit });
  const unreadable = record.accepted?.[isOnDestination ? 'source' : 'destination'] ?? nothingUnreadable;
  const report = {
    ...reportOf(plan.source.sizeBytes, record.startedMs),
    ...{ unreadable, unreadableFiles: await filesOf(unreadable, plan, isOnDestination), warnings },
  };
  if (isOnDestination) emit({ event: 'finished', verified: false, report });
  else emit({ event: 'undone', report });
}

interface Told {
  readonly isOnDestination: boolean;
  readonly emit: (event: EventBody) => void;
}

interface Given extends Told {
  readonly record: JobRecord;
}

async function giveToUsers(plan: Plan, { record, isOnDestination, emit }: Given): Promise<void> {
  const { path, kind } = isOnDestination ? plan.destination : plan.source;
  const missing = kind === 'file' ? [] : plan.mounts.filter((mount) => !isMountedFrom(mount, path));
  const users = new Users(record.users, 'stopped');
  if (missing.length > 0) {
    await new VolumeMounts(missing, 'recovered').mountAll(path);
    await users.start();
  } else if (await mayBeStopped(plan, { record, isOnDestination })) {
    // They may run, too: then their start command need not work, and the volume is theirs in any case.
    await users.start().catch((error: unknown) => {
      const message = `what uses ${path} may still be stopped: ${messageOf(error)}`;
      emit({ event: 'warning', code: 'users-not-started', message });
    });
  }
}

/**
 * The volume is mounted, though the job may have stopped its users: it died before it unmounted anything, or after it
 * had mounted it again. Not since another start of the machine, which has started them; and a cut-over by device-mapper
 * stops nobody.
 */
async function mayBeStopped(
  { way, usesDeviceMapper }: Plan,
  { record, isOnDestination }: Pick<Given, 'record' | 'isOnDestination'>,
): Promise<boolean> {
  if (way !== 'remount' || (isOnDestination && usesDeviceMapper)) return false;
  return (record.lastBootId ?? record.bootId) === (await readBootId());
}

/** What could be neither read nor written was left as it is, and may be hidden still. */
async function tellPlaces({ source, destination }: Plan, { isOnDestination, emit }: Told): Promise<void> {
  const [truth, other] = isOnDestination ? [destination, source] : [source, destination];
  const told = tellPlacesLeft(await placesLeft(truth, source.sizeBytes));
  if (told === undefined) return;
  const message = `${truth.path}: ${told}; what belongs there may still be on ${other.path}`;
  emit({ event: 'warning', code: 'places-unreadable', message });
}

interface Ended extends Given, Pick<RecoverableJob, 'absent'> {}

/**
 * The disk that is not the volume shows all the same, because the job could not hide it again, or somebody has
 * unmasked it. It is left as it is: nothing of it is needed any more, and it may be in use.
 */
async function tellOther(plan: Plan, { record, absent, isOnDestination, emit }: Ended): Promise<void> {
  const role = isOnDestination ? 'source' : 'destination';
  const isByPerson = record.unmasked === role || record.unmasking === role;
  const mayShow = isByPerson || (!isOnDestination && record.mayDestinationShow === true);
  if (!mayShow || (!absent.includes(role) && !(await shows(plan[role], plan.source.sizeBytes)))) return;
  const why = isByPerson ? 'has been made recognisable by "diskferry unmask"' : 'could not be hidden again';
  const advice = 'Keep it disconnected when the machine is started next, or it may be taken for the volume';
  emit({ event: 'warning', code: 'disk-not-hidden', message: `${plan[role].path}: ${why}. ${advice}` });
}

/** Nobody knows of one that cannot be looked at. */
async function shows(disk: PlannedDisk, volumeBytes: number): Promise<boolean> {
  try {
    const found = await identitiesAtRest(disk, new GuardPlaces(volumeBytes));
    return found.some(({ isMasked }) => !isMasked);
  } catch (error) {
    if (error instanceof DiskferryError) return true;
    throw error;
  }
}

async function showPartitionsOf(
  { source, destination }: Plan,
  absent: RecoverableJob['absent'],
  emit: (event: EventBody) => void,
): Promise<void> {
  const disks = [absent.includes('source') ? [] : source, absent.includes('destination') ? [] : destination].flat();
  for (const message of await showPartitions(...disks))
    emit({ event: 'warning', code: 'partitions-not-updated', message });
}

function isMountedFrom({ target }: PlannedMount, path: string): boolean {
  const top = readMounts().findLast((mount) => mount.target === target);
  if (top === undefined) return false;
  const majorMinor = majorMinorOf(statSync(path, { bigint: true }).rdev);
  return top.majorMinor === majorMinor || sourceDevice(top) === majorMinor;
}

/** What the dead job has moved went with it. */
function reportOf(
  totalBytes: number,
  startedMs: number,
): Omit<JobReport, 'unreadable' | 'unreadableFiles' | 'warnings'> {
  return {
    elapsedMs: Math.max(0, Date.now() - startedMs),
    ...{ copiedBytes: 0, redirectedBytes: 0, skippedBytes: 0, totalBytes },
    interruptions: [],
    graduation: { changes: 0, longestPauseMs: 0 },
    ...{ staysOn: null, longestStallMs: 0 },
  };
}
