/**
 * Every reason to refuse a migration, in the order in which people should hear them: what they named, then
 * how the two disks fit, then who uses them, then what the machine lacks. Nothing has been written when one
 * is found. Pure: decides on facts alone.
 */
import { DiskferryError } from '../base/error.ts';
import type { FrontendName } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import { isAbsent } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import {
  accessObjection,
  contentObjection,
  requireDisk,
  sizeObjection,
  zonedObjection,
} from './disk-checks.ts';
import type { Objection } from './disk-checks.ts';
import type { Facts } from './facts.ts';
import {
  frontendObjection,
  ioUringObjection,
  journalObjection,
  memoryObjection,
  stateDirectoryObjection,
} from './host-checks.ts';
import type { DestinationShape } from './pair-checks.ts';
import { blockSizeObjection, roomObjection, storageObjection } from './pair-checks.ts';
import {
  destinationHolderObjection,
  destinationMountObjection,
  exclusiveObjection,
  loopObjection,
  mountsOf,
  sourceHolderObjection,
  sourceMountObjection,
  swapObjection,
  systemObjection,
  virtualDeviceObjection,
  writerObjection,
} from './use-checks.ts';

export interface PreflightOptions {
  readonly frontend: FrontendName;
  /** Size of the destination image that is to be created; undefined when the destination must exist. */
  readonly createBytes: number | undefined;
  readonly allowsNoJournal: boolean;
}

export interface CheckedDisks {
  readonly source: DiskFacts;
  /** Null when it is to be created. */
  readonly destination: DiskFacts | null;
  readonly shape: DestinationShape;
  readonly needsRoot: boolean;
}

function firstOf(checks: readonly (() => Objection)[]): Objection {
  for (const check of checks) {
    const objection = check();
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function refuse(checks: readonly (() => Objection)[]): void {
  const objection = firstOf(checks);
  if (objection !== undefined) throw objection;
}

/** Throws the first refusal. */
export function preflight(facts: Facts, options: PreflightOptions): CheckedDisks {
  const { inventory, host } = facts;
  const source = requireDisk(facts.source);
  refuse([() => sizeObjection(source)]);
  const { destination, shape } = checkDestination(facts, options);
  const isMounted = mountsOf(inventory, source).length > 0;
  const needsRoot = options.frontend === 'fuse' || source.kind === 'block' || destination?.kind === 'block';
  const asksAccess = !needsRoot || host.userId === 0;
  refuse([
    () => storageObjection(inventory, source, shape),
    ...sourceUse(inventory, source, host.systemPaths),
    ...(destination === null ? [] : destinationUse(inventory, destination, host.systemPaths)),
    () => roomObjection(source, shape),
    () => blockSizeObjection(source, shape),
    () => accessObjection(source, asksAccess),
    () => (destination === null ? undefined : accessObjection(destination, asksAccess)),
    () => frontendObjection(host, options.frontend, isMounted),
    () => ioUringObjection(host, needsRoot),
    () => memoryObjection(host, source),
    () => stateDirectoryObjection(inventory, facts.stateDirectory, source),
    () => (options.allowsNoJournal ? undefined : journalObjection(inventory, source)),
    () => (options.allowsNoJournal ? undefined : journalObjection(inventory, shape)),
    // What is plainly mounted is held by its mount: that is the `remount` way, not a refusal.
    () => (isMounted ? undefined : exclusiveObjection(source)),
    () => (destination === null ? undefined : exclusiveObjection(destination)),
  ]);
  return { source, destination, shape, needsRoot };
}

function sourceUse(
  inventory: Inventory,
  source: DiskFacts,
  systemPaths: readonly string[],
): (() => Objection)[] {
  return [
    () => systemObjection(inventory, source, systemPaths),
    () => virtualDeviceObjection(inventory, source),
    () => swapObjection(inventory, source),
    () => loopObjection(inventory, source),
    () => zonedObjection(inventory, source),
    () => contentObjection(inventory, source),
    () => sourceHolderObjection(inventory, source),
    () => sourceMountObjection(inventory, source),
    () => writerObjection(source),
  ];
}

function destinationUse(
  inventory: Inventory,
  destination: DiskFacts,
  systemPaths: readonly string[],
): (() => Objection)[] {
  return [
    () => systemObjection(inventory, destination, systemPaths),
    () => virtualDeviceObjection(inventory, destination),
    () => loopObjection(inventory, destination),
    () => swapObjection(inventory, destination),
    () => destinationMountObjection(inventory, destination),
    () => zonedObjection(inventory, destination),
    () => destinationHolderObjection(inventory, destination),
    () => writerObjection(destination),
  ];
}

/** Why the disk cannot be a source, or a destination, whatever the other disk is: what `devices` shows. */
export function soloObjection(
  inventory: Inventory,
  disk: DiskFacts,
  role: 'source' | 'destination',
  systemPaths: readonly string[],
): Objection {
  const uses = role === 'source' ? sourceUse : destinationUse;
  const checks = [
    () => sizeObjection(disk),
    ...uses(inventory, disk, systemPaths),
    () => accessObjection(disk, false),
  ];
  return firstOf(checks);
}

function checkDestination(
  facts: Facts,
  options: PreflightOptions,
): { readonly destination: DiskFacts | null; readonly shape: DestinationShape } {
  const { destination: found } = facts;
  if (options.createBytes === undefined) {
    const destination = requireDisk(found);
    refuse([() => sizeObjection(destination)]);
    return { destination, shape: destination };
  }
  if (!isAbsent(found) || found.kind !== 'missing') {
    throw new DiskferryError('destination-exists', `${found.path}: exists already, so it is not created`, {
      context: { device: found.path },
    });
  }
  return { destination: null, shape: shapeToCreate(facts, found.path, options.createBytes) };
}

function shapeToCreate(facts: Facts, path: string, sizeBytes: number): DestinationShape {
  const folder = facts.destinationFolder;
  const context = { device: path };
  if (folder === null || !folder.exists) {
    throw new DiskferryError('device-missing', `${path}: its folder does not exist`, { context });
  }
  if (folder.writeRefusal !== null) {
    const code = folder.writeRefusal === 'EROFS' ? 'device-read-only' : 'device-permission-denied';
    throw new DiskferryError(code, `${path}: cannot be created in its folder (${folder.writeRefusal})`, {
      context,
    });
  }
  const file = { device: folder.device, inode: 0 };
  return {
    path,
    storage: { kind: 'file', file, path: `${folder.existing}/new` },
    sizeBytes,
    logicalBlockBytes: null,
  };
}
