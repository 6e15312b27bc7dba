/**
 * The job process: one job and its engine, in a process and a session of its own, started by a supervisor
 * (supervisor.ts) and by nobody else. Takes its order over the channel, makes the job's directory, listens on
 * its control socket, runs the job to its end, and removes the directory again unless the data is on both disks, or
 * the source is still hidden: then the record stays, so that nobody starts over from the source unaware.
 *
 * It does not depend on who started it. When the supervisor is gone the job goes on, heard on its control
 * socket, and its events stay in the job's directory. What it says to people goes to stderr.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isOtherBuild } from '../base/build-id.ts';
import { DiskferryError, messageOf } from '../base/error.ts';
import { controlSocketName } from '../contract/control.ts';
import type { JobEventOf } from '../contract/events.ts';
import type { Speed } from '../contract/plan.ts';
import type { DeviceKeeper } from '../engine/device-host.ts';
import { LiveFiles } from '../engine/live-files.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { ControlServer } from './control-server.ts';
import { EventLog } from './event-log.ts';
import { failedEvent } from './failed-event.ts';
import { finishRecovered } from './finish-recovered.ts';
import type { Survival } from './ferry.ts';
import { Job } from './job.ts';
import { jobOf, sharedFuseFd } from './job-channel.ts';
import type {
  AnyOrder,
  JobOrder,
  JobProcessMessage,
  RecoverOrder,
  StartMessage,
  SupervisorMessage,
} from './job-channel.ts';
import { JobJournal } from './job-journal.ts';
import type { JobOptions } from './job-options.ts';
import type { JobRecord } from './job-record.ts';
import { keepInRecord, makeJobDirectory, newJobRecord, readBootId, writeJobRecord } from './job-record.ts';
import { outliveFaults } from './outlive-faults.ts';
import type { JudgedJob, RecoverableJob } from './recovery.ts';
import { judgeDeadJob, prepareRecovery, whereDataIs, withWayBack } from './recovery.ts';
import { tryKeepHistory, tryKeepRetired } from './stays-after-end.ts';
import { takeOverRecord } from './take-over-record.ts';

/** A supervisor that does not read is told no more progress than this; the other events are few. */
const unsentMax = 64;

let unsent = 0;
let allSent = Promise.resolve();

function tellSupervisor(message: JobProcessMessage): void {
  if (!process.connected) return;
  if (message.kind === 'event' && message.event.event === 'progress' && unsent >= unsentMax) return;
  unsent += 1;
  const sent = new Promise<void>((resolve) => {
    // An error means that nobody is there any more.
    process.send?.(message, undefined, undefined, () => {
      unsent -= 1;
      resolve();
    });
  });
  allSent = allSent.then(() => sent);
}

async function carryOut({ order, build }: StartMessage): Promise<void> {
  if (isOtherBuild(build)) refuse(order);
  else if (!('request' in order)) await recover(order);
  else if (order.takesOver === undefined) await begin(order);
  else await takeOver(order);
}

/** What the other build means by its order, and what its engine has left in memory, is not known. */
function refuse(order: AnyOrder): void {
  const job = jobOf(order);
  const why = 'Diskferry has been installed or built anew since what started this job was started';
  const error =
    'request' in order && order.takesOver !== undefined
      ? new DiskferryError('takeover-refused', `${job}: the job cannot be taken over: ${why}`)
      : new DiskferryError('build-differs', `${job}: ${why}`);
  const dataIs = 'request' in order && order.takesOver === undefined ? 'untouched' : 'both';
  const event = failedEvent(error, { job, dataIs });
  tellSupervisor({ kind: 'event', event });
}

async function begin(order: JobOrder): Promise<void> {
  const { request, directory, passphrase } = order;
  const record = await newJobRecord(request);
  let journal: JobJournal;
  try {
    journal = await prepare(directory, record);
  } catch (error) {
    tellSupervisor({ kind: 'event', event: failedEvent(error, { job: record.job }) });
    return;
  }
  const events = toldLog(directory);
  await surviving(order, events, (survival) =>
    runInPlace({ record, directory, journal, passphrase, survival }, events),
  );
}

/** The process that served the job has been killed, and its users stay where they are. */
async function takeOver(order: JobOrder): Promise<void> {
  const { request, directory } = order;
  const { job } = request;
  // The socket of a process that was killed stays.
  await rm(join(directory, controlSocketName), { force: true });
  const events = toldLog(directory);
  events.loadKept();
  await surviving(order, events, async (survival) => {
    try {
      const taken = await takeOverRecord(directory, job);
      await runInPlace({ ...taken, directory, survival }, events);
    } catch (error) {
      events.add(failedEvent(error, { job, dataIs: 'both' }));
    }
  });
}

/** What keeps a dead job from going on changes nothing about it. */
async function recover({ recovers: job, directory, goesBack, hold }: RecoverOrder): Promise<void> {
  let dead: RecoverableJob;
  let judged: JudgedJob | undefined;
  try {
    judged = await judgeDeadJob({ job, directory, goesBack });
    dead = await prepareRecovery(judged);
    // Only for the service's next start: a full disk is no reason not to go on.
    await keepInRecord(directory, job, { lastBootId: await readBootId() }).catch(() => undefined);
  } catch (error) {
    await judged?.journal.close();
    const dataIs = judged === undefined ? undefined : whereDataIs(judged);
    tellSupervisor({ kind: 'event', event: failedEvent(error, { job, dataIs }) });
    return;
  }
  const record = { ...dead.record, hold };
  const recovered = { plan: dead.plan, goesBack: dead.continuation === 'go-back' };
  const { journal, continuation } = dead;
  if (continuation === 'finish-on-destination' || continuation === 'finish-on-source') await finish(dead, judged.phase);
  else await runInPlace({ record, directory, journal, recovered }, toldLog(directory));
}

async function finish(dead: RecoverableJob, phase: JobPhase): Promise<void> {
  const { directory, record, journal, continuation } = dead;
  const { job } = record;
  const events = toldLog(directory);
  try {
    await finishRecovered(dead, (event) => events.add({ ...event, job, timeMs: Date.now() }));
    if (continuation === 'finish-on-destination') await tryKeepRetired({ ...dead, job });
    await removeRecord(directory);
  } catch (error) {
    const dataIs = continuation === 'finish-on-destination' ? 'destination' : 'source';
    events.add(failedEvent(withWayBack(error, phase, dead), { job, dataIs }));
  } finally {
    await journal.close();
  }
}

/** A directory with a journal and no record is one in which nothing has been done yet. */
async function prepare(directory: string, record: JobRecord): Promise<JobJournal> {
  await prepareState(directory, () => makeJobDirectory(directory));
  try {
    return await JobJournal.create(directory, record);
  } catch (error) {
    await removeRecord(directory);
    throw error;
  }
}

/** Told to the supervisor as well. */
function toldLog(directory: string): EventLog {
  const events = new EventLog(directory);
  events.onAdd((event) => tellSupervisor({ kind: 'event', event }));
  return events;
}

async function runInPlace(options: Omit<JobOptions, 'emit'>, events: EventLog): Promise<void> {
  const { record, directory, journal, recovered, survival } = options;
  const job = new Job({ ...options, emit: (event) => events.add(event) });
  heardOnChannel = () => undo(job);
  const isNew = recovered === undefined && survival?.live.found === undefined;
  try {
    await runJob(job, { directory, record, events, isNew });
  } finally {
    await journal.close();
    const ended = { job: record.job, directory, plan: recovered?.plan ?? record.plan, absent: [] };
    if (job.dataIs === 'destination') await tryKeepRetired(ended);
    await tryKeepHistory(record, directory);
    if (!job.mustBeRecovered) await removeRecord(directory);
  }
}

/** With what a successor would need, where there can be one; it has gone when the job has. */
async function surviving(
  order: JobOrder,
  events: EventLog,
  act: (survival: Survival | undefined) => Promise<void>,
): Promise<void> {
  let live: LiveFiles | undefined;
  try {
    if (order.canBeTakenOver) live = await liveFiles(order, events);
  } catch (error) {
    if (order.takesOver !== undefined) {
      events.add(failedEvent(error, { job: order.request.job, dataIs: 'both' }));
      return;
    }
    warn(events, order.request.job, { code: 'takeover-impossible', message: messageOf(error) });
  }
  try {
    const why = order.takesOver?.why ?? '';
    const fuseFd = order.request.plan.frontend === 'fuse' ? sharedFuseFd : undefined;
    await act(live === undefined ? undefined : { live, fuseFd, keeper, why });
  } finally {
    live?.remove();
  }
}

async function liveFiles({ request, takesOver }: JobOrder, events: EventLog): Promise<LiveFiles> {
  const { job } = request;
  const { sizeBytes, path } = request.plan.source;
  if (takesOver === undefined) return LiveFiles.make({ job, sizeBytes });
  const message = `${path}: what the process that died was writing is still on its way to a disk; it is waited for`;
  const onWait = (): void => warn(events, job, { code: 'taken-over', message });
  return LiveFiles.takeOver({ job, sizeBytes, onWait });
}

function warn(events: EventLog, job: string, warning: Pick<JobEventOf<'warning'>, 'code' | 'message'>): void {
  events.add({ event: 'warning', job, timeMs: Date.now(), ...warning });
}

/** The supervisor holds the virtual device as well; when it is gone, nobody does. */
const keeper: DeviceKeeper = {
  keep: (path) => askToKeep(path),
  letGo: () => askToKeep(null),
};

function askToKeep(device: string | null): Promise<void> {
  return new Promise((resolve) => {
    if (!process.connected) {
      resolve();
      return;
    }
    process.once('disconnect', resolve);
    heardKept = resolve;
    tellSupervisor({ kind: 'keep', device });
  });
}

interface RunPlace {
  readonly directory: string;
  readonly record: JobRecord;
  readonly events: EventLog;
  /** Its record is still to be written. */
  readonly isNew: boolean;
}

async function runJob(job: Job, { directory, record, events, isNew }: RunPlace): Promise<void> {
  const stopOutliving = outliveFaults();
  const stopListening = undoOnSignals(job);
  let control: ControlServer | undefined;
  try {
    control = await listenForControl(job, directory, events);
    if (isNew) await prepareState(directory, () => writeJobRecord(directory, record));
    await job.run();
  } catch (error) {
    if (!(error instanceof DiskferryError)) sayBug(error);
    events.add(failedEvent(error, { job: record.job, dataIs: job.dataIs }));
  } finally {
    stopListening();
    await control?.close();
    stopOutliving();
  }
}

function sayBug(error: unknown): void {
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`diskferry: this is a bug in Diskferry.\n${trace}\n`);
}

/** The move has ended by now: what is left of its record is no failure of it. */
async function removeRecord(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true });
  } catch (error) {
    process.stderr.write(
      `the record of this move, which is over, is still there; remove it: ${messageOf(error)}\n`,
    );
  }
}

async function prepareState(directory: string, prepare: () => Promise<void>): Promise<void> {
  try {
    await prepare();
  } catch (cause) {
    const message = `${directory}: the job cannot keep its state there: ${messageOf(cause)}`;
    throw new DiskferryError('state-directory-unusable', message, { context: { directory }, cause });
  }
}

async function listenForControl(job: Job, directory: string, events: EventLog): Promise<ControlServer> {
  const path = join(directory, controlSocketName);
  const handlers = {
    status: () => job.status(),
    watch: () => job.status(),
    pause: () => job.pause(),
    resume: () => job.resume(),
    speed: ({ speed }: { speed: Speed }) => job.setSpeed(speed),
    verify: () => job.verify(),
    cutover: () => job.cutOver(),
    undo: () => job.undo(),
    retry: () => job.retry(),
    'accept-unreadable': () => job.acceptUnreadable(),
  };
  try {
    return await ControlServer.listen(path, { handlers, events });
  } catch (cause) {
    const message = `${path}: the job cannot listen there: ${messageOf(cause)}`;
    throw new DiskferryError('state-directory-unusable', message, { context: { directory }, cause });
  }
}

/**
 * A polite kill, and what the supervisor passes on of Ctrl-C, go back to the source, as far as the job allows;
 * they never leave it half done.
 */
function undoOnSignals(job: Job): () => void {
  const listener = (): void => undo(job);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}

function undo(job: Job): void {
  try {
    job.undo();
    process.stderr.write('Going back to the source; please wait until everything written is safe there.\n');
  } catch (error) {
    if (!(error instanceof DiskferryError)) throw error;
    process.stderr.write(`${error.message}\n`);
  }
}

let heardKept: (() => void) | undefined;
/** What to do about `undo`; nothing once the job has ended. */
let heardOnChannel: (() => void) | undefined;

function takeOrder(): Promise<StartMessage | undefined> {
  return new Promise((resolve) => {
    process.on('message', (message: SupervisorMessage) => {
      switch (message.kind) {
        case 'start':
          resolve(message);
          break;
        case 'undo':
          heardOnChannel?.();
          break;
        case 'kept':
          heardKept?.();
      }
    });
    // A supervisor that is gone before it has given its order wanted nothing.
    process.once('disconnect', () => resolve(undefined));
    tellSupervisor({ kind: 'ready' });
  });
}

// Who reads what is said to people may go away.
process.stderr.on('error', () => undefined);

const message = await takeOrder();
if (message !== undefined) await carryOut(message);
await allSent;
if (process.connected) process.disconnect();
