/**
 * Limits what a page sees and may name to some disks, for the demo: whoever tries the wizard there cannot meet a disk
 * of the machine, however wrong he chooses. What may be done with the disks is still the service's to decide.
 */
import { DiskferryError } from '../base/error.ts';
import type { ServiceInput, ServiceResult } from '../contract/service.ts';

export class OfferedDisks {
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** Throws `usage`. All that a move does is done with the plan that it was started with. */
  checkPlan({ source, destination }: ServiceInput<'plan'>): void {
    const other = [source, destination].find((path) => !this.#paths.includes(path));
    if (other !== undefined) throw new DiskferryError('usage', `${other}: is none of the disks that are offered here`);
  }

  among({ trees, notes }: ServiceResult<'devices'>): ServiceResult<'devices'> {
    return { trees: trees.filter(({ path }) => this.#paths.includes(path)), notes };
  }
}
