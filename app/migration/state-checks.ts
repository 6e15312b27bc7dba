/**
 * Where a job may keep its state: the journal is written while the source is being moved, so on nothing that
 * waits for the job itself. The walk goes from the state directory's file system down to the disks, through
 * device-mapper, RAID and loop devices' files; what an engine needs from swap cannot lie on either disk,
 * because active swap there is refused (use-checks.ts). Pure; each check returns the first objection.
 *
 * For real disks every step of that walk must be known, and the state must survive a power cut. Images and
 * loop devices over them may also be moved where that cannot be told, as in a container. There nothing waits
 * for itself either: what lies on the source, such as the upper directory of an overlay, would keep it from
 * being unmounted and claimed, and then the job does not start.
 */
import prettyBytes from 'pretty-bytes';
import { DiskferryError } from '../base/error.ts';
import type { PlanWarning } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import type { Storage } from '../devices/overlap.ts';
import { everythingBelow, liesOn, volumeOfFile } from '../devices/overlap.ts';
import type { Objection } from './disk-checks.ts';
import type { FolderFacts } from './facts.ts';
import { journalFileBytes } from './job-journal.ts';

/** Of other machines, of programs, or without files. */
const unusableFileSystems =
  /^(nfs|nfs4|cifs|smb3|9p|ceph|glusterfs|afs|ocfs2|gfs2|lustre|virtiofs|proc|sysfs|fuse|fuse\..*)$/;
const memoryFileSystems = /^(tmpfs|ramfs|devtmpfs)$/;

type DiskPlace = Pick<DiskFacts, 'path' | 'storage'>;

export interface StatePlace {
  readonly inventory: Inventory;
  readonly state: FolderFacts;
  readonly source: DiskFacts;
  /** Null when it is to be created: nothing lies on it yet. */
  readonly destination: DiskPlace | null;
}

export function stateDirectoryObjection(place: StatePlace): Objection {
  const { inventory, state, source, destination } = place;
  const inState = storageOf(state);
  const lower = [source, destination].find((disk) => disk !== null && liesOn(inventory, inState, disk.storage));
  if (lower) {
    const role = lower === source ? 'source' : 'destination';
    return unusable(state, `lies on the ${role} ${lower.path}`);
  }
  const kinds = fileSystemsUnder(inventory, inState);
  const bad = kinds.find(({ fsType }) => unusableFileSystems.test(fsType));
  if (bad !== undefined) return unusable(state, `lies on a file system of the kind ${bad.fsType}`);
  const opaque = kinds.find(({ isOnDisks }) => !isOnDisks);
  if (opaque === undefined || isOfImages(place)) return undefined;
  return unusable(state, whyOpaque(opaque.fsType));
}

/** For images, what would keep a real disk from being moved. */
export function statePlaceWarning({ inventory, state }: StatePlace): PlanWarning | undefined {
  const opaque = fileSystemsUnder(inventory, storageOf(state)).find(({ isOnDisks }) => !isOnDisks);
  if (opaque === undefined) return undefined;
  const message = `${state.path}: the state directory ${whyOpaque(opaque.fsType)}; after one, keep both images as they are.`;
  return { code: 'state-not-durable', message };
}

export function stateRoomObjection({ state, source }: StatePlace): Objection {
  const neededBytes = journalFileBytes(source.sizeBytes);
  if (neededBytes <= state.availableBytes) return undefined;
  const [needed, available] = [neededBytes, state.availableBytes].map((bytes) =>
    prettyBytes(bytes, { binary: true }),
  );
  return new DiskferryError(
    'state-directory-full',
    `${state.path}: the journal of this job needs ${needed}, ${available} are free there`,
    { context: { directory: state.path, neededBytes, availableBytes: state.availableBytes } },
  );
}

/**
 * An image file, or a loop device over one: for trying out; everything else may hold the only copy of
 * something.
 */
export function isImage(inventory: Inventory, { storage }: DiskPlace): boolean {
  if (storage.kind === 'file') return true;
  const device = findDevice(inventory, storage.majorMinor);
  const whole = device?.partition ? findDevice(inventory, device.partition.diskMajorMinor) : device;
  return whole?.kind === 'loop';
}

function isOfImages({ inventory, source, destination }: StatePlace): boolean {
  return isImage(inventory, source) && (destination === null || isImage(inventory, destination));
}

function storageOf(state: FolderFacts): Storage {
  return { kind: 'file', file: { device: state.device, inode: 0 }, path: state.existing };
}

interface FileSystemUnder {
  readonly fsType: string;
  /** The disks under it are known. */
  readonly isOnDisks: boolean;
}

/** The file system of the directory, and those with the files of loop devices under it. */
function fileSystemsUnder(inventory: Inventory, inState: Storage): FileSystemUnder[] {
  return everythingBelow(inventory, inState).flatMap((storage) => {
    if (storage.kind === 'block') return [];
    const volume = volumeOfFile(inventory, storage);
    return [{ fsType: volume?.fsType ?? 'unknown', isOnDisks: (volume?.devices ?? []).length > 0 }];
  });
}

function whyOpaque(fsType: string): string {
  return memoryFileSystems.test(fsType)
    ? `is kept in memory (${fsType}), so the journal would not survive a power cut`
    : `lies on a file system of the kind ${fsType}, so it is not known whether the journal would survive a power cut`;
}

function unusable({ path }: FolderFacts, why: string): DiskferryError {
  return new DiskferryError('state-directory-unusable', `${path}: the state directory ${why}`, {
    context: { directory: path },
  });
}
