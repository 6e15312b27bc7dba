/**
 * A source that a job has hidden, or a disk that is to grow, is not the volume: it was moved away, or both
 * disks together are it. Asked after the records of dead jobs, which know more about it.
 */
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import { hiddenOn } from '../devices/disk-at-rest.ts';

/** Throws `disk-masked`. */
export async function refuseHidden({ source }: Pick<Plan, 'source'>): Promise<void> {
  const hidden = await hiddenOn(source, [source.sizeBytes]);
  if (hidden.length === 0) return;
  const message = `${source.path}: its identity (${hidden.join(', ')}) was hidden by an earlier job, so it is not the volume`;
  throw new DiskferryError('disk-masked', message, { context: { device: source.path } });
}
