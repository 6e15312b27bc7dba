/**
 * What jobs have reported, kept after they have ended: `history/JOB.jsonl` in the state directory, one event
 * a line, as the job kept them itself. For reports; nothing depends on it. The oldest give way when there are
 * many.
 */
import { copyFile, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import { eventsFileName, jobsDirectoryName } from '../contract/control.ts';
import type { JobEvent } from '../contract/events.ts';
import { understoodEvents } from '../contract/told-event.ts';
import type { LastEvent } from './event-log.ts';
import { isLast } from './event-log.ts';
import { isRefusedAccess, notOurs } from './refused-access.ts';

export const historyDirectoryName = 'history';
const keptMax = 500;
const suffix = '.jsonl';

/** Of a job whose directory is about to go, or stays because it has died. */
export async function keepHistory(
  stateDirectory: string,
  { job, directory }: { readonly job: string; readonly directory: string },
): Promise<void> {
  const folder = join(stateDirectory, historyDirectoryName);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await copyFile(join(directory, eventsFileName), join(folder, `${job}${suffix}`));
  await forgetOldest(folder);
}

async function forgetOldest(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(suffix));
  if (names.length <= keptMax) return;
  const aged = await Promise.all(
    names.map(async (name) => ({ name, timeMs: (await stat(join(folder, name))).mtimeMs })),
  );
  aged.sort((one, other) => one.timeMs - other.timeMs);
  for (const { name } of aged.slice(0, names.length - keptMax)) await rm(join(folder, name), { force: true });
}

/** Of a job that has ended, runs or has died. Throws `job-missing` when nothing is known of it. */
export async function readHistory(stateDirectory: string, job: string): Promise<JobEvent[]> {
  const text = await newestText(stateDirectory, job);
  if (text !== undefined) return parseEvents(text);
  throw new DiskferryError('job-missing', `${job}: there is no record of such a job`);
}

/** What a job keeps itself is newer: one that failed may have been gone on with since. */
async function newestText(stateDirectory: string, job: string): Promise<string | undefined> {
  return (await textAt(livingPath(stateDirectory, job))) ?? textAt(historyPath(stateDirectory, job));
}

async function textAt(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw isRefusedAccess(error) ? notOurs(path, error) : error;
  }
}

/** How a job has ended, if it has said so before it went. */
export async function readEnd(stateDirectory: string, job: string): Promise<LastEvent | undefined> {
  const last = parseEvents((await newestText(stateDirectory, job)) ?? '').at(-1);
  return last !== undefined && isLast(last) ? last : undefined;
}

function historyPath(stateDirectory: string, job: string): string {
  return join(stateDirectory, historyDirectoryName, `${job}${suffix}`);
}

function livingPath(stateDirectory: string, job: string): string {
  return join(stateDirectory, jobsDirectoryName, job, eventsFileName);
}

function parseEvents(text: string): JobEvent[] {
  return understoodEvents(text.split('\n').map(parsed));
}

/** A line that was being written when the machine went down is no event. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
