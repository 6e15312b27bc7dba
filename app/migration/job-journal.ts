/**
 * The journal file of a job, beside its record: made at its full length before the job writes to any disk, so
 * that later writes need no more room, and opened for the engine, which writes it through the ring.
 *
 * The journal knows its job by the record's identity and its disks by fingerprints of what the record says of
 * them: a journal and a record that do not belong together are found out before a single flag is believed.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import { mebibyte } from '../base/units.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import { writeZeroedFile } from '../devices/durable-file.ts';
import { lockFile, openFile } from '../devices/open-disk.ts';
import type { JournalSetting } from '../engine/messages.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JournalIdentity, JournalLayout } from '../journal/layout.ts';
import { layoutOf, logOffset, usualLogBytes } from '../journal/layout.ts';
import { firstHeader, newJournalPosition } from '../journal/new-journal.ts';
import type { JobRecord } from './job-record.ts';

export const journalName = 'journal';
/** Of each log, made of written zeroes. */
const logHeadBytesMax = 64 * mebibyte;

/** What a job over a disk of that size keeps in its state directory. */
export function journalFileBytes(sizeBytes: number): number {
  return layoutOf(sizeBytes, usualLogBytes(sizeBytes)).journalBytes;
}

export class JobJournal {
  readonly path: string;
  readonly setting: JournalSetting;
  /** Of a dead job's: something has crossed, durably. What was flushed on its virtual device is among it. */
  readonly hasCrossed: boolean;
  readonly #handle: FileHandle;

  /** Durable, and open for the engine, when this resolves. Throws `state-directory-full` among others. */
  static async create(directory: string, record: JobRecord): Promise<JobJournal> {
    const path = join(directory, journalName);
    const identity = journalIdentity(record);
    const logBytes = usualLogBytes(identity.sizeBytes);
    try {
      const layout = layoutOf(identity.sizeBytes, logBytes);
      const start = firstHeader(identity, logBytes);
      await writeZeroedFile(path, { start, lengthBytes: layout.journalBytes, busy: logHeads(layout) });
    } catch (cause) {
      throw creationError(path, cause);
    }
    const { handle } = await openFile(path, constants.O_RDWR);
    lockFile(path, handle);
    const start = { position: newJournalPosition, phase: jobPhases.copying };
    return new JobJournal(path, handle, { fd: handle.fd, identity, logBytes, ...start });
  }

  constructor(path: string, handle: FileHandle, setting: JournalSetting, hasCrossed = false) {
    this.path = path;
    this.hasCrossed = hasCrossed;
    this.#handle = handle;
    this.setting = setting;
  }

  /** After the engine's end. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** All of each log but of huge disks: there it would take seconds before the job begins. */
function logHeads(layout: JournalLayout): Extent[] {
  const lengthBytes = Math.min(layout.logBytes, logHeadBytesMax);
  return ([0, 1] as const).map((slot) => ({ offsetBytes: logOffset(layout, slot), lengthBytes }));
}

export function journalIdentity({ identity, plan }: JobRecord): JournalIdentity {
  const { source, destination } = fingerprintsOf(plan);
  return { job: Buffer.from(identity, 'hex'), source, destination, sizeBytes: plan.source.sizeBytes };
}

function fingerprintsOf({ source, destination }: Plan): { source: Uint8Array; destination: Uint8Array } {
  return { source: fingerprintOf(source), destination: fingerprintOf(destination) };
}

/** Of what a record says of a disk, and never changes: a new image has no identity when it is planned. */
function fingerprintOf({ path, sizeBytes, toBeCreated, identity }: PlannedDisk): Uint8Array {
  const { serial = null, wwn = null, content = null, inode = null } = (toBeCreated ? null : identity) ?? {};
  const told = [path, sizeBytes, serial, wwn, inode, content?.fileSystemUuid, content?.partitionTableUuid];
  return createHash('sha256').update(JSON.stringify(told)).digest();
}

function creationError(path: string, cause: unknown): DiskferryError {
  const { code } = cause as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  const message = `${path}: the journal cannot be made: ${messageOf(cause)}`;
  const context = { path };
  return new DiskferryError(isFull ? 'state-directory-full' : 'state-directory-unusable', message, {
    context,
    cause,
  });
}
