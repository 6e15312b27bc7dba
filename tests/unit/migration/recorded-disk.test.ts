/** Which disk of a machine is found for a dead job after a restart, when it has no name and is hidden. */
import { describe, expect, test } from 'vitest';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import type { BlockDevice } from '../../../app/devices/block-device.ts';
import { noContent } from '../../../app/devices/block-device.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import type { SampleTest, Wanted } from '../../../app/migration/recorded-disk.ts';
import { findRecorded } from '../../../app/migration/recorded-disk.ts';
import { blockDevice, inventoryOf } from '../devices/made-inventory.ts';
import { diskFacts } from './made-facts.ts';

const content = { ...noContent, fileSystemType: 'ext4', fileSystemUuid: 'u' };
const before = blockDevice('8:16', { path: '/dev/sdb', content });
const nowhere = { loop: null, partitionBytes: null, mapperUuid: null };
const sourceSample = { extents: [], sha256: 'a' };

function recordOf(device: BlockDevice, values: Partial<JobRecord> = {}): JobRecord {
  const disk = { ...diskFacts(device), toBeCreated: false } as unknown as PlannedDisk;
  const places = { source: nowhere, destination: nowhere };
  return { bootId: 'before', plan: { source: disk, destination: disk }, places, sourceSample, ...values } as JobRecord;
}

interface Search extends Pick<Wanted, 'record' | 'role'> {
  /** Those that have the sample. */
  readonly same: readonly string[];
}

/** What there is after the restart: all of it hidden. */
function find(
  devices: readonly BlockDevice[],
  { record = recordOf(before), role = 'source', same = ['/dev/sdc'] }: Partial<Search> = {},
): Promise<PlannedDisk> {
  const hasSample: SampleTest = ({ path }, sample) => Promise.resolve(sample.sha256 === 'a' && same.includes(path));
  const inventory = inventoryOf({ devices: [...devices], mounts: [], swaps: [] });
  return findRecorded(inventory, { record, role, bootId: 'now' }, hasSample);
}

const now = blockDevice('8:32', { path: '/dev/sdc' });
const other = blockDevice('8:48', { path: '/dev/sdd' });
const notFound = { code: 'disk-not-found' };

describe('a disk without a name that is hidden', () => {
  test('is the source that has its sample', async () => {
    expect(await find([now, other])).toMatchObject({ path: '/dev/sdc', identity: { majorMinor: '8:32', content: null } });
  });

  test('is not found when two have it', async () => {
    await expect(find([now, other], { same: ['/dev/sdc', '/dev/sdd'] })).rejects.toMatchObject(notFound);
  });

  test.each<[string, Partial<BlockDevice>]>([
    ['has another size', { sizeBytes: 1 << 29 }],
    ['has a name', { serial: 'S' }],
    ['is a partition', { partition: { diskMajorMinor: '8:0', offsetBytes: 1 << 20 } }],
    ['is a device of device-mapper', { mapper: { name: 'x', uuid: 'LVM-x' } }],
  ])('is none that %s', async (_, values) => {
    await expect(find([{ ...now, ...values }])).rejects.toMatchObject(notFound);
  });

  test('is no source that had a name', async () => {
    const record = recordOf({ ...before, wwn: 'w' });
    await expect(find([now], { record })).rejects.toMatchObject(notFound);
  });

  test('is no source of a job that had no sample yet, and no destination', async () => {
    const record = recordOf(before, { sourceSample: null });
    await expect(find([now], { record })).rejects.toMatchObject(notFound);
    await expect(find([now], { role: 'destination' })).rejects.toMatchObject(notFound);
  });
});
