/** What a job is made of: a record, its directory and its journal, new or recovered, and who is told. */
import type { Extent } from '../base/units.ts';
import type { EventBody, JobEvent } from '../contract/events.ts';
import type { Plan } from '../contract/plan.ts';
import type { FerryOptions, Survival } from './ferry.ts';
import { readFreeSpace } from './free-space.ts';
import type { JobJournal } from './job-journal.ts';
import type { JobRecord } from './job-record.ts';
import { keepInRecord } from './job-record.ts';
import type { Placement } from './placement.ts';
import { makePlacement } from './placement.ts';
import { ShownDestination } from './shown-destination.ts';

export interface JobOptions {
  readonly record: JobRecord;
  /** The job's own directory, where its record is. */
  readonly directory: string;
  readonly journal: JobJournal;
  /** The job goes on after a crash, from what its journal says (recovery.ts); undefined: it begins. */
  readonly recovered?: { readonly plan: Plan; readonly goesBack: boolean } | undefined;
  /** Of the LUKS container that lies on the source, where the plan says that it is needed; it is wiped. */
  readonly passphrase?: Uint8Array | undefined;
  /** What a successor needs, or has found; undefined where none can take over. */
  readonly survival?: Survival | undefined;
  readonly emit: (event: JobEvent) => void;
}

interface OwnParts
  extends
    Pick<FerryOptions, 'plan' | 'beforeGoingOn' | 'beforeUse'>,
    Pick<FerryOptions, 'foreseen' | 'trace'> {
  /** Why everything is copied. */
  readonly warn: (message: string) => void;
  /** A disk shows although it should not. */
  readonly warnShown: (message: string) => void;
}

/** `plan` is the record's, with both disks as they are named now. */
export function placementFor(
  { record, directory, journal, recovered, passphrase, survival }: JobOptions,
  { warn, warnShown, ...own }: OwnParts,
): Placement {
  const { job, speed, socketPath, users } = record;
  const isRecovered = recovered !== undefined;
  const findFree = async (descriptor: string): Promise<readonly Extent[]> => {
    // After a crash the source alone is not the volume any more, so its map is worth nothing.
    if (isRecovered || own.plan.copy.scope === 'all') return [];
    const { extents, warning } = await readFreeSpace(own.plan, descriptor);
    if (warning !== undefined) warn(warning);
    return extents;
  };
  // Until now it did not, whatever `unmask` was about before the job went on.
  const keep = (): Promise<void> => keepInRecord(directory, job, { mayDestinationShow: true, unmasking: undefined });
  const life = { isRecovered, survival, shown: new ShownDestination({ keep, warn: warnShown }) };
  const ferry = { ...own, ...life, findFree, job, speed, socketPath, directory, journal };
  return makePlacement({ users, passphrase, ferry });
}

/** What a job says first. */
export function plannedEvent({ recovered }: JobOptions, plan: Plan): EventBody {
  return { event: 'planned', plan, ...(recovered !== undefined && { isRecovered: true }) };
}
