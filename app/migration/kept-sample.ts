/**
 * The sample of the source (source-sample.ts) in the life of a job: taken and kept in the record when nobody
 * uses the source any more, compared before a job goes on after a crash. Once an undo has begun the source is
 * written by the job itself, and nothing is compared any more.
 */
import type { Extent } from '../base/units.ts';
import type { Plan } from '../contract/plan.ts';
import { readInventory } from '../devices/inventory.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { Ferry } from './ferry.ts';
import type { JobOptions } from './job-options.ts';
import { keepInRecord } from './job-record.ts';
import { extentsToSample, requireSample, takeSample } from './source-sample.ts';

/** The source is still as it was sampled. */
const isComparable: ReadonlySet<JobPhase> = new Set([jobPhases.copying, jobPhases.committing]);

type KeptSampleOptions = Pick<JobOptions, 'record' | 'directory' | 'journal' | 'recovered'>;

export class KeptSample {
  readonly #options: KeptSampleOptions;
  readonly #plan: Plan;
  #extents: readonly Extent[] | undefined;

  /** `plan` is the record's, with both disks as they are named now. */
  constructor(options: KeptSampleOptions, plan: Plan) {
    this.#options = options;
    this.#plan = plan;
  }

  /** Before anybody is interrupted: what is to be sampled when nobody uses the source any more. */
  async lookAhead(): Promise<void> {
    if (this.#plan.way !== 'live') this.#extents = await this.#extentsOf([]);
  }

  /**
   * After a crash, as soon as the source is claimed. Throws `source-changed`. False: there is nothing to compare it
   * with.
   */
  async beforeGoingOn(source: OpenDisk): Promise<boolean> {
    const { record, journal } = this.#options;
    if (record.sourceSample === null || !isComparable.has(journal.setting.phase)) return false;
    await requireSample(this.#plan.source, source, record.sourceSample);
    return true;
  }

  /**
   * The source is claimed and hidden, and nobody uses the virtual device yet. A job that died before it had a
   * sample has none to compare, and takes it now: without one, nobody can have used the virtual device.
   */
  async beforeUse(source: OpenDisk): Promise<void> {
    const { record, recovered } = this.#options;
    const isStillUsed = this.#plan.way === 'live' && recovered === undefined;
    if (record.sourceSample === null && !isStillUsed)
      await this.#keep(source, this.#extents ?? (await this.#extentsOf([])));
  }

  /** Users that were moved live wrote to the source until now. */
  async whenSettled(ferry: Ferry): Promise<void> {
    if (this.#plan.way === 'live')
      await this.#keep(ferry.sourceDisk, await this.#extentsOf(await ferry.usersBegin()));
  }

  async #extentsOf(begins: readonly number[]): Promise<Extent[]> {
    const { identity, sizeBytes } = this.#plan.source;
    const inventory = await readInventory({ probes: false, votes: false });
    return extentsToSample(inventory, { majorMinor: identity?.majorMinor ?? '', sizeBytes, begins });
  }

  async #keep(source: OpenDisk, extents: readonly Extent[]): Promise<void> {
    const { record, directory } = this.#options;
    const sourceSample = await takeSample(source, { extents, volumeBytes: this.#plan.source.sizeBytes });
    await keepInRecord(directory, record.job, { sourceSample });
  }
}
