/**
 * A dead job's journal: read, judged, and opened for the engine that goes on with it. What recovery refuses
 * becomes one line each.
 */
import { constants, fsyncSync, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorCode } from '../base/error.ts';
import { afterFailure, DiskferryError } from '../base/error.ts';
import type { LockHolder } from '../devices/lock-holder.ts';
import { lockHolder } from '../devices/lock-holder.ts';
import { lockFile, openFile, openPath } from '../devices/open-disk.ts';
import type { JournalSetting } from '../engine/messages.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { usualLogBytes } from '../journal/layout.ts';
import type { RecoveryRefusal } from '../journal/recovery-decision.ts';
import type { JournalReader, RecoveredJournal } from '../journal/recovery.ts';
import { countAllAsWritten, recoverJournal } from '../journal/recovery.ts';
import { JobJournal, journalIdentity, journalName } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';

const refusals: Readonly<Record<RecoveryRefusal, readonly [code: ErrorCode, why: string]>> = {
  'no-journal': ['journal-missing', 'holds no journal'],
  damaged: ['journal-damaged', 'is damaged: neither of its checkpoints is whole'],
  'records-missing': ['journal-damaged', 'is damaged: records that were written are missing'],
  'two-of-one-generation': ['journal-damaged', 'is damaged: two checkpoints claim to be the newest'],
  'from-the-future': ['journal-from-the-future', 'was written by a newer version of Diskferry'],
  'other-job': ['journal-mismatch', 'belongs to another job than the record beside it'],
  'other-disks': ['journal-mismatch', 'is about other disks than the record beside it'],
};

/** After a crash all that has crossed counts as written. Nobody else can open it so until it is closed: throws `job-held`. */
export async function openJournal(directory: string, record: JobRecord): Promise<JobJournal> {
  const { recovered, ...found } = await openFound(directory, record);
  countAllAsWritten(recovered);
  const maps = { flags: recovered.flags.toBytes(), written: recovered.written.toBytes() };
  return new JobJournal(found.path, found.handle, { ...found.setting, maps }, hasCrossed(recovered));
}

/** The users of the virtual device wait meanwhile. */
const lockedMsMax = 10_000;
const lockPollMs = 50;

/**
 * For a process that goes on with the live map of one that was killed, when that one's last request has
 * ended. The live map has more than the journal. Who has locked it (`lockDeadJob`) shows a disk, and is waited for: the
 * record says then whether it shows. Throws `takeover-refused` when that takes too long.
 */
export async function takeOverJournal(
  directory: string,
  record: JobRecord,
  waitMsMax = lockedMsMax,
): Promise<JobJournal> {
  const { path, handle, setting } = await openFound(directory, record, waitMsMax).catch((error: unknown) => {
    throw isHeld(error) ? cannotTakeOver(directory, record.job, waitMsMax) : error;
  });
  return new JobJournal(path, handle, { ...setting, isBehind: true });
}

/**
 * Until what it returns is called nobody goes on with the job: whoever does locks its journal. Undefined where there
 * is no journal that could be opened, so nobody can. Throws `job-held`.
 */
export async function lockDeadJob(directory: string): Promise<(() => Promise<void>) | undefined> {
  const path = join(directory, journalName);
  const handle = await openPath(path, constants.O_RDONLY).catch((error: unknown) => {
    if (error instanceof DiskferryError) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    lockJournal(path, handle);
  } catch (error) {
    throw await afterFailure(error, () => handle.close());
  }
  return () => handle.close();
}

/** `unmask` keeps it for a moment; whoever goes on with the job, as long as it runs. */
function lockJournal(path: string, handle: FileHandle): void {
  try {
    lockFile(path, handle);
  } catch (error) {
    throw isInUse(error) ? jobHeld(basename(dirname(path)), journalHolder(dirname(path))) : error;
  }
}

/** What the job is about, and whether anything has crossed, for who only wants to know. */
export async function readWord(
  directory: string,
  record: JobRecord,
): Promise<{ readonly phase: JobPhase; readonly hasCrossed: boolean }> {
  const recovered = await readJournal(join(directory, journalName), record);
  return { phase: recovered.phase, hasCrossed: hasCrossed(recovered) };
}

function hasCrossed({ flags }: RecoveredJournal): boolean {
  return flags.setCount > 0;
}

interface FoundJournal {
  readonly path: string;
  readonly handle: FileHandle;
  readonly setting: JournalSetting;
  readonly recovered: RecoveredJournal;
}

async function openFound(directory: string, record: JobRecord, waitMsMax = 0): Promise<FoundJournal> {
  const path = join(directory, journalName);
  const { handle } = await openFile(path, constants.O_RDWR).catch((error: unknown) => {
    throw isMissing(error) ? refusal(path, 'no-journal') : error;
  });
  try {
    await lockWithin(waitMsMax, path, handle);
    const recovered = await readJournal(path, record);
    const identity = journalIdentity(record);
    const logBytes = usualLogBytes(identity.sizeBytes);
    const { phase, position } = recovered;
    return { path, handle, recovered, setting: { fd: handle.fd, identity, logBytes, phase, position } };
  } catch (error) {
    throw await afterFailure(error, () => handle.close());
  }
}

async function lockWithin(waitMsMax: number, path: string, handle: FileHandle): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  for (;;) {
    try {
      lockJournal(path, handle);
      return;
    } catch (error) {
      if (!isHeld(error) || performance.now() >= endMs) throw error;
      await sleep(lockPollMs);
    }
  }
}

function isInUse(error: unknown): boolean {
  return error instanceof DiskferryError && error.code === 'device-in-use';
}

/** By a process, or by what a dead one was writing. */
export function isHeld(error: unknown): boolean {
  return error instanceof DiskferryError && (error.code === 'job-held' || error.code === 'disk-silent');
}

/** Who locks the journal of a job that died. */
const jobHolders = 'a takeover, "diskferry recover" or "diskferry unmask"';
const unanswered = 'what the process that served it was writing is still on its way to a disk that does not answer';

/** Why nobody else can have a job that died now. `whose`: how the sentence calls it. */
export function holding(holder: LockHolder, whose: string): { readonly code: ErrorCode; readonly why: string } {
  switch (holder.kind) {
    case 'process':
      return { code: 'job-held', why: `another process is at work on ${whose}, which died: ${jobHolders} (process ${holder.processId})` };
    case 'dead':
      return { code: 'disk-silent', why: `${whose} died, and ${unanswered}` };
    case 'unknown':
      return { code: 'job-held', why: `another process is at work on ${whose}, which died: ${jobHolders}; or ${unanswered}` };
  }
}

export function jobHeld(job: string, holder: LockHolder): DiskferryError {
  const { code, why } = holding(holder, 'the job');
  return new DiskferryError(code, `${job}: ${why}`, { context: { job } });
}

function cannotTakeOver(directory: string, job: string, waitedMs: number): DiskferryError {
  const { why } = holding(journalHolder(directory), 'it');
  const message = `${job}: the job cannot be taken over: ${why} (waited for ${waitedMs / 1000} s)`;
  return new DiskferryError('takeover-refused', message, { context: { job } });
}

/** Of a journal that somebody has locked. */
export function journalHolder(directory: string): LockHolder {
  return lockHolder(join(directory, journalName));
}

function isMissing(error: unknown): boolean {
  return error instanceof DiskferryError && error.code === 'device-missing';
}

async function readJournal(path: string, record: JobRecord): Promise<RecoveredJournal> {
  const handle = await openPath(path, constants.O_RDONLY);
  try {
    // What is only in a cache could vanish at the next power cut.
    fsyncSync(handle.fd);
    const { size } = await handle.stat();
    const result = recoverJournal(readerOf(handle.fd, size), journalIdentity(record));
    if (result.kind === 'recovered') return result;
    throw refusal(path, result.reason);
  } finally {
    await handle.close();
  }
}

function readerOf(fd: number, sizeBytes: number): JournalReader {
  return {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      const bytes = new Uint8Array(lengthBytes);
      for (let done = 0; done < lengthBytes;) {
        const count = readSync(fd, bytes, done, lengthBytes - done, offsetBytes + done);
        if (count === 0) break;
        done += count;
      }
      return bytes;
    },
  };
}

function refusal(path: string, reason: RecoveryRefusal): DiskferryError {
  const [code, why] = refusals[reason];
  return new DiskferryError(code, `${path}: ${why}`, { context: { path, reason } });
}
