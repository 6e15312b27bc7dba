/** Why a disk is not erased, for people: one error for each verdict (retired-verdict.ts). */
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import type { DestinationNow } from './retired-disk.ts';
import type { RetiredRecord } from './retired-record.ts';
import type { Kept, NotRetired } from './retired-verdict.ts';

interface NotRetiredFor {
  readonly why: NotRetired;
  /** What is hidden on it. */
  readonly hidden: readonly string[];
  /** The one that has it. */
  readonly record: RetiredRecord | undefined;
}

export function notRetiredBecause({ path }: PlannedDisk, { why, hidden, record }: NotRetiredFor): DiskferryError {
  const context = { device: path, ...(record === undefined ? {} : { job: record.job }) };
  const code: ErrorCode = why === 'no-record' || why === 'is-destination' ? 'not-retired' : 'retired-changed';
  return new DiskferryError(code, `${path}: ${textFor(why, hidden, record)}`, { context });
}

function textFor(why: NotRetired, hidden: readonly string[], record: RetiredRecord | undefined): string {
  const move = record === undefined ? 'a move' : `the move ${record.job}`;
  switch (why) {
    case 'no-record':
      return hidden.length === 0
        ? 'no record here says that it is the original of a finished move'
        : `a move has hidden what is on it (${hidden.join(', ')}), but no record here says that this move has ended, so it ` +
            'may hold what no other disk holds';
    case 'is-destination':
      return `is the destination of ${move}, and so the volume itself`;
    case 'shows':
      return `was the original of ${move}, but is recognised again: it may have been used since, and hold newer data`;
    case 'changed':
      return `was the original of ${move}, but was written to since, so it may hold newer data`;
    case 'cannot-be-read':
      return (
        `was the original of ${move}, but can no longer be read where it was looked at then, so nobody can say whether it ` +
        'was written to since'
      );
    case 'no-sample':
      return `was the original of ${move}, which has nothing to compare it with, so nobody can say whether it was written to since`;
    case 'used-since-erased':
      return `was the original of ${move}, and its erasing had come to its end or nearly so, but it was written to since`;
  }
}

interface KeptFor {
  readonly kept: Kept;
  readonly record: RetiredRecord;
  readonly destination: DestinationNow;
}

export function keptBecause({ path }: PlannedDisk, { kept, record, destination }: KeptFor): DiskferryError {
  const before = record.plan.destination;
  const name = destination.disk?.path ?? before.path;
  const context = { device: path, destination: name, job: record.job };
  return new DiskferryError('may-be-only-copy', `${path}: may be the only copy: ${textOf()}`, { context });

  function textOf(): string {
    switch (kept) {
      case 'destination-missing': {
        const serial = before.serial === null ? '' : ` (serial ${before.serial})`;
        return `the destination of the move ${record.job}, ${name}${serial}, is not connected`;
      }
      case 'destination-other':
        return `${name} does not show the volume that the move ${record.job} left there: ${destination.difference ?? ''}`;
      case 'destination-unknown':
        return `nothing tells whether ${name} still holds what the move ${record.job} left there`;
    }
  }
}
