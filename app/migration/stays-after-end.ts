/**
 * What stays in the state directory of a job that has ended, when its own directory goes: its report, and of a source
 * that was left behind what it can be known by. A move does not fail for either; people are told on stderr.
 */
import { messageOf } from '../base/error.ts';
import { keepHistory } from './job-history.ts';
import type { JobRecord } from './job-record.ts';
import type { EndedJob } from './retired-record.ts';
import { keepRetired } from './retired-record.ts';

/** For reports. */
export async function tryKeepHistory({ job, plan }: JobRecord, directory: string): Promise<void> {
  try {
    await keepHistory(plan.stateDirectory, { job, directory });
  } catch (error) {
    process.stderr.write(`there will be no report of this move: ${messageOf(error)}\n`);
  }
}

/** Without it nobody can have the source erased by us. */
export async function tryKeepRetired(ended: EndedJob): Promise<void> {
  try {
    await keepRetired(ended);
  } catch (error) {
    const { path } = ended.plan.source;
    process.stderr.write(`"diskferry retire" will not know ${path} as the original of this move: ${messageOf(error)}\n`);
  }
}
