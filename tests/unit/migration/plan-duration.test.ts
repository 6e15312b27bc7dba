/** What a plan says of the time that a move takes, before anything has been measured. */
import { describe, expect, test } from 'vitest';
import { planText } from '../../../app/cli/plan-text.ts';
import type { DiskLink } from '../../../app/devices/disk-link.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { planDuration } from '../../../app/migration/plan-duration.ts';
import { roundedRange } from '../../../app/contract/report/words.ts';
import { destinationDevice, diskFacts, makeFacts, makeInventory, root, sourceDevice } from './made-facts.ts';

const terabyte = 1e12;
const copy = { scope: 'all', bytes: terabyte, exact: true, reason: '' } as const;
const sata: DiskLink = { by: 'sata', megabits: 6000 };
const ssd = { link: sata, isRotational: false };
const spinning = { link: sata, isRotational: true };
const usb2 = { link: { by: 'usb', megabits: 480 }, isRotational: true } as const;
const unknown = { link: null, isRotational: true };

type Ends = Parameters<typeof planDuration>[0]['source'];

function hours(source: Ends, destination: Ends, verifies = false): readonly number[] | undefined {
  const found = planDuration({ copy, sizeBytes: terabyte, verifies, source, destination });
  return found === undefined ? undefined : [found.lowSeconds / 3600, found.highSeconds / 3600];
}

describe('how long a move takes', () => {
  test.each([
    ['of two disks that do not spin', ssd, ssd, 0.5, 2.4],
    ['of a spinning disk to one that does not', spinning, ssd, 0.9, 4.7],
    ['of one that does not spin to a spinning one', ssd, spinning, 0.9, 4.7],
    ['of a disk to one at USB 2, whatever that is', ssd, usb2, 6.6, 13.9],
  ])('%s is what the slower one allows', (_, source, destination, low, high) => {
    const range = hours(source, destination);
    expect(range?.[0]).toBeCloseTo(low, 0);
    expect(range?.[1]).toBeCloseTo(high, 0);
  });

  test('is longer by what is read back', () => {
    const [[low = 0, high = 0] = [], [longer = 0, longest = 0] = []] = [hours(ssd, ssd), hours(ssd, ssd, true)];
    expect([longer / low, longest / high]).toEqual([expect.closeTo(2, 2), expect.closeTo(2, 2)]);
    // The source is read only once.
    expect((hours(usb2, ssd, true)?.[1] ?? 0) - (hours(usb2, ssd)?.[1] ?? 0)).toBeCloseTo(high, 1);
  });

  test('is not said of a disk that does not tell how it is connected, nor of a file', () => {
    for (const [source, destination] of [[unknown, ssd], [ssd, unknown], [undefined, ssd], [ssd, undefined]] as const)
      expect(hours(source, destination)).toBeUndefined();
    expect(decidePlan(makeFacts(), options)).not.toHaveProperty('duration');
  });

  test('goes by what is copied, or by the whole disk where that is not known', () => {
    const input = { sizeBytes: terabyte, verifies: false, source: ssd, destination: ssd };
    const whole = planDuration({ ...input, copy: { ...copy, bytes: null } });
    expect(whole).toEqual(planDuration({ ...input, copy }));
    const half = planDuration({ ...input, copy: { ...copy, bytes: terabyte / 2 } });
    expect((whole?.highSeconds ?? 0) / (half?.highSeconds ?? 1)).toBeCloseTo(2, 2);
  });

  test('stands in the plan', () => {
    const devices = [root, { ...sourceDevice, ...ssd }, { ...destinationDevice, ...usb2 }];
    const plan = decidePlan(makeFacts({ inventory: { ...makeInventory(), devices }, source: diskFacts(sourceDevice) }), options);
    expect(plan.duration).toEqual({ lowSeconds: 25, highSeconds: 54 });
    expect(planText(plan, { columns: 200 })).toContain('Takes  about 1 minute, by how the disks are connected; longer while');
  });
});

const options = { frontend: 'auto', mode: 'redirect', allowsNoJournal: true };

test.each([
  [0, 1, '1 minutes', '1 minutes'],
  [119, 121, '1 minutes', '3 minutes'],
  [2100, 7200, '35 minutes', '120 minutes'],
  [2100, 7201, '35 minutes', '3 hours'],
  [90_000, 172_801, '25 hours', '3 days'],
])('%i to %i seconds are rounded outwards', (lowSeconds, highSeconds, ...ends) => {
  const { low, high } = roundedRange({ lowSeconds, highSeconds });
  expect([low, high].map(({ unit, count }) => `${count} ${unit}`)).toEqual(ends);
});
