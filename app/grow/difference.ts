/** Whether what is there now is what was confirmed, perhaps some steps further. Pure. */
import { DiskferryError } from '../base/error.ts';
import type { GrowPlan } from '../contract/grow.ts';

/** Throws `device-changed`; `since`: at the end of "is not as it was …". */
export function requireSame(plan: GrowPlan, now: GrowPlan, since: 'planned' | 'confirmed'): void {
  const difference = differenceOf(plan, now);
  if (difference === null) return;
  const { path } = plan.disk;
  throw new DiskferryError('device-changed', `${path}: is not as it was ${since}: ${difference}`, {
    context: { device: path },
  });
}

/** In words; null when there is none. */
export function differenceOf(plan: GrowPlan, now: GrowPlan): string | null {
  const disks = [plan.disk, now.disk, plan.device, now.device].map(({ identity }) => identity?.majorMinor);
  if (disks[0] !== disks[1] || disks[2] !== disks[3]) return 'another disk or partition has its name';
  if (plan.disk.sizeBytes !== now.disk.sizeBytes) return `its size is ${now.disk.sizeBytes} bytes now`;
  if (plan.layers.length !== now.layers.length) return 'it has other layers';
  for (const [index, layer] of plan.layers.entries()) {
    const other = now.layers[index];
    if (other === undefined) return 'it has other layers';
    for (const key of ['kind', 'name', 'type', 'uuid', 'afterBytes'] as const)
      if (layer[key] !== other[key]) return `${key} of ${layer.kind} ${layer.name} is ${String(other[key])} now`;
    if (other.beforeBytes < layer.beforeBytes) return `${layer.kind} ${layer.name} is smaller now`;
  }
  return null;
}
