/** Warnings of what the machine's disks are to each other. */
import { describe, expect, test } from 'vitest';
import type { BlockDevice } from '../../../app/devices/block-device.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { blockDevice, file, loopOver, partition } from '../devices/made-inventory.ts';
import { destinationDevice, diskFacts, makeFacts, makeInventory, root, sourceDevice } from './made-facts.ts';

const ext4 = { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u-1' };
const table = { ...noContent, partitionTableType: 'gpt', partitionTableUuid: 't-1' };

function messages(code: string, source: BlockDevice, ...others: readonly BlockDevice[]): string[] {
  const destination = others.find(({ majorMinor }) => majorMinor === destinationDevice.majorMinor) ?? destinationDevice;
  const devices = [root, source, destination, ...others.filter((device) => device !== destination)];
  const facts = makeFacts({ inventory: { ...makeInventory(), devices }, source: diskFacts(source), destination: diskFacts(destination) });
  const { warnings } = decidePlan(facts, { frontend: 'auto', mode: 'redirect', allowsNoJournal: true });
  return warnings.filter((warning) => warning.code === code).map(({ message }) => message);
}

describe('another disk with the identity of the source', () => {
  const source = { ...sourceDevice, content: ext4 };

  test('is named, whatever the layer by which it is known', () => {
    const copy = blockDevice('8:48', { path: '/dev/sdd', content: ext4 });
    expect(messages('same-identity', source, copy)).toEqual([
      '/dev/sdd has the same UUID as /dev/sdb, as copies have: what mounts by it may take the one for the other. ' +
        'Disconnect it before the move, or give it another UUID.',
    ]);
    const [both = ''] = messages('same-identity', source, copy, { ...copy, majorMinor: '8:64', path: '/dev/sde' });
    expect(both).toContain('/dev/sdd and /dev/sde have the same UUID');
    const whole = blockDevice('8:48', { path: '/dev/sdd', content: table });
    expect(messages('same-identity', { ...sourceDevice, content: table }, whole)).toHaveLength(1);
  });

  test('is not one of the two, nor shows one of them again, nor a part of another disk with that table', () => {
    expect(messages('same-identity', source, { ...destinationDevice, content: ext4 })).toEqual([]);
    const image = file('8:0', 5, '/image');
    const [loop, again] = [loopOver('7:1', image, { content: ext4 }), loopOver('7:2', image, { content: ext4 })];
    expect(messages('same-identity', loop, again)).toEqual([]);
    expect(messages('same-identity', loop, loopOver('7:2', file('8:0', 6, '/copy'), { content: ext4 }))).toHaveLength(1);
    const part = { ...partition('8:49', { diskMajorMinor: '8:48', offsetBytes: 1 << 20 }, 1 << 20), content: { ...table, partitionTableType: null } };
    expect(messages('same-identity', { ...sourceDevice, content: table }, blockDevice('8:48', { content: noContent }), part)).toEqual([]);
  });

  test('is nobody where nothing is known of them', () => {
    const others = [blockDevice('8:48', { content: noContent }), blockDevice('8:64', { content: null })];
    expect(messages('same-identity', { ...sourceDevice, content: noContent }, ...others)).toEqual([]);
    expect(messages('same-identity', { ...sourceDevice, content: null }, ...others)).toEqual([]);
  });
});

test('a destination that is connected slowly is told, because programs will wait for it', () => {
  const at = (megabits: number) => ({ ...destinationDevice, link: { by: 'usb', megabits } as const });
  expect(messages('slow-link', sourceDevice, at(480))).toEqual([
    '/dev/sdc is connected at 480 Mbit/s only. All that programs write goes there from the start, no faster than that. ' +
      'Another port or cable may be faster.',
  ]);
  expect(messages('slow-link', sourceDevice, at(5000))).toEqual([]);
  expect(messages('slow-link', { ...sourceDevice, link: { by: 'usb', megabits: 480 } })).toEqual([]);
});
