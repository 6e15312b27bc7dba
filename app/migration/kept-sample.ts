/**
 * The sample of the source (source-sample.ts) in the life of a job: taken and kept in the record when nobody
 * uses the source any more, compared before a job goes on after a crash. Once an undo has begun the source is
 * written by the job itself, and nothing is compared any more.
 */
import type { Plan } from '../contract/plan.ts';
import { readInventory } from '../devices/inventory.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { Ferry } from './ferry.ts';
import type { JobOptions } from './job-options.ts';
import { keepInRecord } from './job-record.ts';
import { extentsToSample, requireSample, takeSample } from './source-sample.ts';

type KeptSampleOptions = Pick<JobOptions, 'record' | 'directory' | 'journal' | 'recovered'>;

export class KeptSample {
  readonly #options: KeptSampleOptions;
  readonly #plan: Plan;

  /** `plan` is the record's, with both disks as they are named now. */
  constructor(options: KeptSampleOptions, plan: Plan) {
    this.#options = options;
    this.#plan = plan;
  }

  /** The source is claimed, and nobody has used the virtual device yet. Throws `source-changed`. */
  async beforeUse(source: OpenDisk): Promise<void> {
    const { record, journal, recovered } = this.#options;
    if (recovered === undefined) {
      if (this.#plan.way !== 'live') await this.#keep(source, []);
    } else if (record.sourceSample !== null && journal.setting.phase === jobPhases.copying) {
      await requireSample(this.#plan.source.path, source, record.sourceSample);
    }
  }

  /** Users that were moved live wrote to the source until now. */
  async whenSettled(ferry: Ferry): Promise<void> {
    if (this.#plan.way === 'live') await this.#keep(ferry.sourceDisk, await ferry.usersBegin());
  }

  async #keep(source: OpenDisk, begins: readonly number[]): Promise<void> {
    const { record, directory } = this.#options;
    const { identity, sizeBytes } = this.#plan.source;
    const inventory = await readInventory({ probes: false, votes: false });
    const extents = extentsToSample(inventory, { majorMinor: identity?.majorMinor ?? '', sizeBytes, begins });
    await keepInRecord(directory, { ...record, sourceSample: await takeSample(source, extents) });
  }
}
