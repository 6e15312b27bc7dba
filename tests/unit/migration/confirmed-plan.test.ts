/** A plan that was confirmed, and the one made right before the start: what may differ and what may not. */
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../../app/contract/plan.ts';
import { assertAsConfirmed } from '../../../app/migration/confirmed-plan.ts';
import type { Facts } from '../../../app/migration/facts.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { destinationDevice, diskFacts, makeFacts, makeInventory, sourceDevice } from './made-facts.ts';
import { destination, inventory, options, source, sourceMount } from './refusals.ts';

function plan(facts: Partial<Facts> = {}): Plan {
  return decidePlan(makeFacts(facts), options);
}

function otherSerial(device: typeof sourceDevice): { identity: Plan['source']['identity'] & object } {
  return { identity: { ...diskFacts(device).identity, serial: 'another' } };
}

const mounted = inventory({ mounts: [sourceMount] });

describe('a confirmed plan', () => {
  test('is carried out when nothing has changed', () => {
    expect(() => assertAsConfirmed(plan(), plan())).not.toThrow();
  });

  test('is carried out when only the options of a mount have changed', () => {
    const now = inventory({ mounts: [{ ...sourceMount, mountOptions: ['rw', 'noatime'] }] });
    expect(() => assertAsConfirmed(plan(mounted), plan(now))).not.toThrow();
  });

  test.each([
    ['the source is another disk', '/dev/sdb', {}, source(otherSerial(sourceDevice))],
    ['the destination is another disk', '/dev/sdc', {}, destination(otherSerial(destinationDevice))],
    ['the source is mounted now', 'mounted on /mnt', {}, mounted],
    ['the source is not mounted any more', 'is not mounted', mounted, {}],
    [
      'the source is mounted elsewhere',
      '/srv',
      mounted,
      { inventory: makeInventory({ mounts: [{ ...sourceMount, target: '/srv' }] }) },
    ],
  ])('is refused when %s', (_, names, before, after) => {
    const carryOut = (): void => assertAsConfirmed(plan(before), plan(after));
    expect(carryOut).toThrow(names);
    expect(carryOut).toThrow(expect.objectContaining({ code: 'device-changed' }) as Error);
  });
});
