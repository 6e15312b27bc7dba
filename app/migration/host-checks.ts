/**
 * What the machine must offer: memory for the flags, a frontend, io_uring, a place for the job's state. And
 * what this version does not offer yet: surviving a power cut on real disks. Pure; each check returns the
 * first objection.
 */
import prettyBytes from 'pretty-bytes';
import { DiskferryError } from '../base/error.ts';
import { blockBytes, mebibyte } from '../base/units.ts';
import type { FrontendName } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import type { KernelPart } from '../devices/kernel-part.ts';
import type { Storage } from '../devices/overlap.ts';
import { liesOn, volumeOfFile } from '../devices/overlap.ts';
import type { Objection } from './disk-checks.ts';
import type { FolderFacts, HostFacts } from './facts.ts';

/** Three flags a block: flagged, written, copied; and to verify, 12 bytes for each 256 blocks. */
const flagBitsPerBlock = 3.375;
/** Request slots, copy buffers and the runtime itself, whatever the size of the disk. */
const fixedMemoryBytes = 130 * mebibyte;

/**
 * File systems that may wait for the very disk that is being moved or for another machine, or keep no files.
 */
const unusableStateFileSystems =
  /^(nfs|nfs4|cifs|smb3|9p|ceph|glusterfs|afs|ocfs2|gfs2|lustre|virtiofs|proc|sysfs|fuse.*)$/;
/**
 * Inside a container nobody can tell on which disk it lies; images and loop devices, often on it as well, may
 * be moved.
 */
const opaqueStateFileSystem = 'overlay';

/** What a job over a disk of that size takes at most. */
export function neededMemoryBytes(sizeBytes: number): number {
  const flagBytes = Math.ceil((Math.ceil(sizeBytes / blockBytes) * flagBitsPerBlock) / 8);
  return flagBytes + fixedMemoryBytes;
}

export function memoryObjection(host: HostFacts, source: DiskFacts): Objection {
  const neededBytes = neededMemoryBytes(source.sizeBytes);
  if (neededBytes <= host.availableMemoryBytes) return undefined;
  const [needed, available] = [neededBytes, host.availableMemoryBytes].map((bytes) =>
    prettyBytes(bytes, { binary: true }),
  );
  return new DiskferryError(
    'memory-too-small',
    `${source.path}: a disk of this size needs ${needed} of memory for its flags, ${available} are available`,
    { context: { device: source.path, neededBytes, availableBytes: host.availableMemoryBytes } },
  );
}

/** What keeps the frontend from working here. Root is asked for later. */
export function frontendObjection(host: HostFacts, frontend: FrontendName, isMounted: boolean): Objection {
  if (frontend === 'nbd-socket') {
    return isMounted
      ? new DiskferryError(
          'no-frontend',
          'nbd-socket: makes no block device on which a mounted source could go on',
        )
      : undefined;
  }
  return frontend === 'fuse' ? fuseObjection(host) : kernelObjection(host, frontend);
}

function kernelObjection(host: HostFacts, part: KernelPart): Objection {
  const offer = host.kernelOffers[part];
  return offer.state === 'missing' ? new DiskferryError('no-frontend', `${part}: ${offer.why}`) : undefined;
}

function fuseObjection(host: HostFacts): Objection {
  const missing = [
    host.hasFuse ? [] : ['/dev/fuse'],
    host.hasLoopControl ? [] : ['/dev/loop-control'],
  ].flat();
  if (missing.length === 0) return undefined;
  return new DiskferryError('no-frontend', `fuse: ${missing.join(' and ')} is missing on this system`, {
    context: { missing },
  });
}

export function ioUringObjection(host: HostFacts, needsRoot: boolean): Objection {
  const isAllowed =
    host.ioUringDisabled === 0 || (host.ioUringDisabled === 1 && (needsRoot || host.userId === 0));
  if (isAllowed) return undefined;
  return new DiskferryError(
    'no-io-uring',
    `io_uring: kernel.io_uring_disabled is ${host.ioUringDisabled} on this system`,
  );
}

/** The job writes its state while the source is being moved: on the source it would wait for itself. */
export function stateDirectoryObjection(
  inventory: Inventory,
  state: FolderFacts,
  source: DiskFacts,
): Objection {
  const refuse = (why: string): DiskferryError =>
    new DiskferryError('state-directory-unusable', `${state.path}: the state directory ${why}`, {
      context: { directory: state.path },
    });
  const inState: Storage = { kind: 'file', file: { device: state.device, inode: 0 }, path: state.existing };
  if (liesOn(inventory, inState, source.storage)) return refuse(`lies on the source ${source.path}`);
  const fsType = volumeOfFile(inventory, inState)?.fsType ?? 'unknown';
  const isUnusable =
    unusableStateFileSystems.test(fsType) ||
    (fsType === opaqueStateFileSystem && !isImage(inventory, source));
  return isUnusable ? refuse(`lies on a file system of the kind ${fsType}`) : undefined;
}

type DiskPlace = Pick<DiskFacts, 'path' | 'storage'>;

/**
 * An image file, or a loop device over one: for trying out; everything else may hold the only copy of
 * something.
 */
function isImage(inventory: Inventory, { storage }: DiskPlace): boolean {
  if (storage.kind === 'file') return true;
  const device = findDevice(inventory, storage.majorMinor);
  const whole = device?.partition ? findDevice(inventory, device.partition.diskMajorMinor) : device;
  return whole?.kind === 'loop';
}

export function journalObjection(inventory: Inventory, disk: DiskPlace): Objection {
  if (isImage(inventory, disk)) return undefined;
  return new DiskferryError(
    'no-journal-yet',
    `${disk.path}: this version keeps no journal, so a power cut or crash during the job would leave ` +
      'the newest data on the destination, the rest on the source, and no record of which is where',
    { context: { device: disk.path } },
  );
}
