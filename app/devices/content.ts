/**
 * What lies on a disk: file system, LVM, LUKS, RAID member, partition table. Asks blkid to look at the device
 * itself (low-level probing), because udev's database may be old or missing. Reads only; needs read
 * permission.
 */
import { DiskferryError } from '../base/error.ts';
import type { Extent } from '../base/units.ts';
import type { DeviceContent } from '../contract/plan.ts';
import { noContent } from './block-device.ts';
import { headerMsMax, runProgram, runProgramHead } from './program.ts';

// From blkid(8): what its exit code says.
const nothingFound = 2;
/** Signatures of several kinds at once: nobody can say which one is valid. */
const ambivalent = 8;

/** Of the device, or of a part of it. Throws `device-permission-denied` when it cannot be read. */
export async function probeContent(path: string, part?: Extent): Promise<DeviceContent> {
  const place =
    part === undefined ? [] : ['--offset', String(part.offsetBytes), '--size', String(part.lengthBytes)];
  const words = ['--probe', ...place, '--output', 'export', '--', path];
  const result = await runProgram('blkid', words, headerMsMax);
  // It says "nothing" as well when it could not look, and then why.
  if (result.exitCode === nothingFound && result.stderr === '') return noContent;
  if (result.exitCode === ambivalent) return { ...noContent, fileSystemType: 'ambiguous' };
  if (result.exitCode === 0) return parseBlkid(result.stdout);
  throw new DiskferryError(
    'device-permission-denied',
    `${path}: cannot be looked at: ${result.stderr.trim()}`,
    {
      context: { device: path },
    },
  );
}

// From struct btrfs_super_block in fs/btrfs/ctree.h.
const btrfsSuperblockBytes = 65536;
const btrfsDeviceCountAt = 136;

const numberBytes = 8;

/**
 * How many devices make up the Btrfs at `path`. Read by a program: a disk that does not answer would keep one
 * of the few threads of our own in which files are read.
 */
export async function countBtrfsDevices(path: string): Promise<number> {
  const skip = (btrfsSuperblockBytes + btrfsDeviceCountAt) / numberBytes;
  const place = [`bs=${numberBytes}`, `skip=${skip}`, 'count=1', 'status=none'];
  const count = await runProgramHead('dd', [`if=${path}`, ...place], numberBytes, headerMsMax);
  if (count.length === numberBytes) return Number(count.readBigUInt64LE());
  throw new DiskferryError('device-open-failed', `${path}: the superblock of its Btrfs cannot be read`, {
    context: { device: path },
  });
}

/** Lines of NAME=value; special characters are escaped by a backslash. */
export function parseBlkid(text: string): DeviceContent {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const index = line.indexOf('=');
    if (index > 0) values.set(line.slice(0, index), line.slice(index + 1).replace(/\\(.)/g, '$1'));
  }
  return {
    fileSystemType: values.get('TYPE') ?? null,
    fileSystemUuid: values.get('UUID') ?? null,
    label: values.get('LABEL') ?? null,
    partitionTableType: values.get('PTTYPE') ?? null,
    partitionTableUuid: values.get('PTUUID') ?? null,
  };
}
