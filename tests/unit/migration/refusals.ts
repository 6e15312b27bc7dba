/**
 * The good pair of disks with one thing wrong, and how its refusal is checked: the code, what the line names,
 * and that the whole line reads well. Shared by the tests of preflight, which list the refusals as rows.
 */
import { expect } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import type { ErrorCode } from '../../../app/base/error.ts';
import { mebibyte } from '../../../app/base/units.ts';
import { explain } from '../../../app/contract/advice.ts';
import type { AbsentDisk, DiskFacts } from '../../../app/devices/disk-facts.ts';
import type { Inventory } from '../../../app/devices/inventory.ts';
import type { Facts } from '../../../app/migration/facts.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import type { PlanOptions } from '../../../app/migration/plan.ts';
import { mount, partition } from '../devices/made-inventory.ts';
import {
  destinationDevice,
  diskFacts,
  imageFacts,
  makeFacts,
  makeInventory,
  sourceDevice,
} from './made-facts.ts';

export const options: PlanOptions = { frontend: 'auto', mode: 'redirect', allowsNoJournal: true };

export type Refusal = [
  what: string,
  code: ErrorCode,
  names: string,
  facts: Partial<Facts>,
  options?: Partial<PlanOptions>,
];

export function expectRefusal([, code, names, facts, change]: Refusal): void {
  const error = refusal(makeFacts(facts), { ...options, ...change });
  expect(error.code, error.message).toBe(code);
  expect(error.message).toContain(names);
  expect(explain(error)).not.toMatch(/\n|undefined|\{/);
}

function refusal(facts: Facts, planOptions: PlanOptions): DiskferryError {
  try {
    decidePlan(facts, planOptions);
  } catch (error) {
    if (error instanceof DiskferryError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

export const source = (values: Partial<DiskFacts>): Partial<Facts> => ({
  source: diskFacts(sourceDevice, values),
});
export const destination = (values: Partial<DiskFacts>): Partial<Facts> => ({
  destination: diskFacts(destinationDevice, values),
});
export const inventory = (values: Partial<Inventory>): Partial<Facts> => ({
  inventory: makeInventory(values),
});

export function absent(path: string): AbsentDisk {
  return { path, kind: 'missing', reason: 'ENOENT' };
}

export const sourceMount = mount({
  id: 7,
  target: '/mnt',
  majorMinor: '8:16',
  devices: ['8:16'],
  source: '/dev/sdb',
});
export const image = imageFacts('/srv/a.img', 11);
export const otherImage = imageFacts('/srv/b.img', 12);
export const sourcePart = partition(
  '8:17',
  { diskMajorMinor: '8:16', offsetBytes: mebibyte },
  512 * mebibyte,
);
