/**
 * How large each kind of layer becomes on a device of a given size, and whether it may grow as it is used
 * now. Pure. `growWays` is the table of what each file system can do in which state.
 */
import { DiskferryError } from '../base/error.ts';
import type { ErrorCode } from '../base/error.ts';
import type { GrowLayer } from '../contract/grow.ts';
import type {
  FileSystemUse,
  FoundFileSystem,
  FoundLogicalVolume,
  FoundLuks,
  FoundPhysicalVolume,
  GrowableType,
} from './found.ts';

/**
 * `mounted`: where it is mounted. `privately`: mounted for the moment where only we see it, whether it is
 * mounted elsewhere or not. `unmounted`: by a tool that wants the device for itself.
 */
export type GrowWay = 'mounted' | 'privately' | 'unmounted';

interface Refusal {
  readonly code: ErrorCode;
  readonly why: string;
}

const mustUnmount: Refusal = { code: 'mount-not-supported', why: 'is mounted on {where}, and grows only unmounted' };
const readOnly: Refusal = { code: 'mount-not-supported', why: 'is mounted read-only on {where}' };
const hidden: Refusal = { code: 'mount-not-supported', why: 'is mounted on {where}, where another mount hides it' };
const elsewhere: Refusal = { code: 'device-in-use', why: 'is in use, perhaps by a container or another migration' };

const rest = { 'read-only': readOnly, hidden, elsewhere } as const;
/**
 * resize2fs goes to where it is mounted; the others are told a place, and get one that nothing can hide. What
 * is not mounted is mounted for it all the same: the kernel grows it under its journal, while the tool alone
 * does not.
 */
const ext = { ...rest, unmounted: 'privately', mounted: 'mounted' } as const;
const online = { ...rest, unmounted: 'privately', mounted: 'privately', hidden: 'privately' } as const;
const offline = { ...rest, unmounted: 'unmounted', mounted: mustUnmount, hidden: mustUnmount } as const;

export const growWays: Readonly<Record<GrowableType, Readonly<Record<FileSystemUse, GrowWay | Refusal>>>> = {
  ext2: ext,
  ext3: ext,
  ext4: ext,
  xfs: online,
  btrfs: online,
  f2fs: offline,
  ntfs: offline,
};

export const programs: Readonly<Record<GrowableType, { readonly grow: string; readonly check: string }>> = {
  ext2: { grow: 'resize2fs', check: 'e2fsck -f' },
  ext3: { grow: 'resize2fs', check: 'e2fsck -f' },
  ext4: { grow: 'resize2fs', check: 'e2fsck -f' },
  xfs: { grow: 'xfs_growfs', check: 'xfs_repair' },
  btrfs: { grow: 'btrfs filesystem resize', check: 'btrfs check' },
  f2fs: { grow: 'resize.f2fs', check: 'fsck.f2fs -f' },
  ntfs: { grow: 'ntfsresize', check: 'chkdsk /f in Windows' },
};

const notAllowed: Refusal = {
  code: 'mount-not-supported',
  why: 'is mounted on {where}, and this system does not let us grow it so (no CAP_SYS_RESOURCE: a container?)',
};
const withoutPrivilege = { ...rest, unmounted: 'unmounted', mounted: notAllowed } as const;

/** Throws why it may not grow as it is now. */
export function growWay({ type, use, name, mountPoints, mayGrowMounted }: FoundFileSystem): GrowWay {
  const way = (mayGrowMounted ? growWays[type] : withoutPrivilege)[use];
  if (typeof way === 'string') return way;
  const why = way.why.replace('{where}', mountPoints.join(', '));
  throw new DiskferryError(way.code, `${name}: its ${type} ${why}`, { context: { device: name } });
}

function roundDown(bytes: number, unit: number): number {
  return Math.max(0, Math.floor(bytes / unit) * unit);
}

function refuseObstacle(name: string, obstacle: string | null): void {
  if (obstacle !== null)
    throw new DiskferryError('cannot-be-grown', `${name}: ${obstacle}`, { context: { device: name } });
}

/** A layer larger than what it lies on: something is wrong that growing would bury. */
function refuseTooLarge(name: string, what: string, { before, after }: { before: number; after: number }): void {
  if (before > after)
    throw new DiskferryError('cannot-be-grown', `${name}: its ${what} takes ${before} bytes, and only ${after} are there`, {
      context: { device: name },
    });
}

export function luksLayer(layer: FoundLuks, availableBytes: number): GrowLayer {
  const { name, uuid, sizeBytes, offsetBytes, unitBytes } = layer;
  refuseObstacle(name, layer.obstacle);
  const afterBytes = roundDown(availableBytes - offsetBytes, unitBytes);
  refuseTooLarge(layer.below, 'LUKS container', { before: sizeBytes, after: afterBytes });
  const grows = afterBytes > sizeBytes;
  const sizes = { beforeBytes: sizeBytes, afterBytes, slackBytes: 0, grows };
  return { kind: 'luks', name, type: 'crypto_LUKS', uuid, ...sizes, by: grows ? 'cryptsetup resize' : '' };
}

export function physicalVolumeLayer(
  layer: FoundPhysicalVolume,
  availableBytes: number,
): GrowLayer & { readonly freeBytes: number } {
  const { name, uuid, extentBytes, firstExtentBytes, extentCount, freeExtentCount } = layer;
  refuseObstacle(name, layer.obstacle);
  const count = Math.floor((availableBytes - firstExtentBytes) / extentBytes);
  refuseTooLarge(name, 'physical volume', { before: extentCount * extentBytes, after: count * extentBytes });
  const grows = count > extentCount;
  return {
    ...{ kind: 'physical-volume', name, type: 'LVM2_member', uuid, slackBytes: 0, grows, by: grows ? 'pvresize' : '' },
    ...{ beforeBytes: extentCount * extentBytes, afterBytes: count * extentBytes },
    freeBytes: (freeExtentCount + count - extentCount) * extentBytes,
  };
}

/** Takes all that is free on the physical volume. */
export function volumeLayer({ name, uuid, sizeBytes }: FoundLogicalVolume, freeBytes: number): GrowLayer {
  const grows = freeBytes > 0;
  const sizes = { beforeBytes: sizeBytes, afterBytes: sizeBytes + freeBytes, slackBytes: 0, grows };
  return { kind: 'logical-volume', name, type: 'linear', uuid, ...sizes, by: grows ? 'lvextend' : '' };
}

export function fileSystemLayer(layer: FoundFileSystem, availableBytes: number): GrowLayer {
  const { name, type, uuid, sizeBytes, unitBytes, slackBytes } = layer;
  const afterBytes = roundDown(availableBytes, unitBytes);
  refuseTooLarge(name, `${type} file system`, { before: sizeBytes, after: afterBytes });
  const grows = afterBytes - sizeBytes > slackBytes;
  const sizes = { beforeBytes: sizeBytes, afterBytes, slackBytes, grows };
  if (!grows) return { kind: 'file-system', name, type, uuid, ...sizes, by: '' };
  refuseObstacle(name, layer.obstacle ?? obstacleOfLimit(layer, afterBytes));
  growWay(layer);
  if (layer.defect !== null) throw needsCheck(layer, layer.defect);
  return { kind: 'file-system', name, type, uuid, ...sizes, by: programs[type].grow };
}

function obstacleOfLimit({ type, limit }: FoundFileSystem, afterBytes: number): string | null {
  if (limit === null || afterBytes <= limit.bytes) return null;
  return `its ${type} would have ${afterBytes} bytes, and can have ${limit.bytes}: ${limit.why}`;
}

export function needsCheck({ name, type }: Pick<FoundFileSystem, 'name' | 'type'>, why: string): DiskferryError {
  const checker = `${programs[type].check}${type === 'ntfs' ? '' : ` ${name}`}`;
  return new DiskferryError('needs-check', `${name}: its ${type} ${why}`, { context: { device: name, checker } });
}
