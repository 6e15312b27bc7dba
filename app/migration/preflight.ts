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
import type { UserTable } from '../devices/stack.ts';
import {
  accessObjection,
  contentObjection,
  destinationMemberObjection,
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
} from './host-checks.ts';
import type { DestinationShape } from './pair-checks.ts';
import { blockSizeObjection, roomObjection, storageObjection } from './pair-checks.ts';
import {
  mappedDestinationObjection,
  mappedSourceObjection,
  stackFactsObjection,
  stackObjection,
} from './stack-checks.ts';
import {
  destinationHolderObjection,
  destinationMountObjection,
  driveListObjection,
  exclusiveObjection,
  loopObjection,
  sourceMountObjection,
  swapObjection,
  systemObjection,
  virtualDeviceObjection,
  writerObjection,
} from './use-checks.ts';
import { stateDirectoryObjection, stateRoomObjection } from './state-checks.ts';
import { chooseWay } from './way.ts';

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
  const { inventory, host, stack } = facts;
  const source = requireDisk(facts.source);
  refuse([() => sizeObjection(source)]);
  const { destination, shape } = checkDestination(facts, options);
  const isInUse = chooseWay(inventory, source) !== 'attach';
  const needsRoot =
    options.frontend !== 'nbd-socket' || source.kind === 'block' || destination?.kind === 'block';
  const statePlace = { inventory, state: facts.stateDirectory, source, destination };
  const asksAccess = !needsRoot || host.userId === 0;
  refuse([
    () => storageObjection(inventory, source, shape),
    ...sourceUse(inventory, source, { systemPaths: host.systemPaths, tables: stack?.tables ?? null }),
    () => mappedDestinationObjection(inventory, source, shape),
    () => (stack === null ? undefined : stackFactsObjection(source, stack, shape)),
    ...(destination === null ? [] : destinationUse(inventory, destination, host)),
    () => roomObjection(source, shape),
    () => blockSizeObjection(source, shape),
    () => accessObjection(source, asksAccess),
    () => (destination === null ? undefined : accessObjection(destination, asksAccess)),
    () => frontendObjection(host, options.frontend, isInUse),
    () => ioUringObjection(host, needsRoot),
    () => memoryObjection(host, source),
    () => stateDirectoryObjection(statePlace),
    () => stateRoomObjection(statePlace),
    () => (options.allowsNoJournal ? undefined : journalObjection(inventory, source)),
    () => (options.allowsNoJournal ? undefined : journalObjection(inventory, shape)),
    // What is plainly mounted, or lies under device-mapper, is held by that: no refusal, but another way.
    () => (isInUse ? undefined : exclusiveObjection(source)),
    () => (destination === null ? undefined : exclusiveObjection(destination)),
  ]);
  return { source, destination, shape, needsRoot };
}

/** What a verdict about one disk needs besides the inventory. */
export interface MachineFacts {
  readonly systemPaths: readonly string[];
  /** Of the devices that lie on the disk; null for those who may not read them. */
  readonly tables: readonly UserTable[] | null;
}

function sourceUse(
  inventory: Inventory,
  source: DiskFacts,
  { systemPaths, tables }: MachineFacts,
): (() => Objection)[] {
  return [
    () => mappedSourceObjection(inventory, source),
    () => systemObjection(inventory, source, systemPaths),
    () => virtualDeviceObjection(inventory, source),
    () => swapObjection(inventory, source),
    () => loopObjection(inventory, source),
    () => zonedObjection(inventory, source),
    () => contentObjection(inventory, source),
    () => stackObjection(inventory, source, tables),
    () => sourceMountObjection(inventory, source),
    () => writerObjection(source),
    () => driveListObjection(inventory, source),
  ];
}

function destinationUse(
  inventory: Inventory,
  destination: DiskFacts,
  { systemPaths }: Pick<MachineFacts, 'systemPaths'>,
): (() => Objection)[] {
  return [
    () => systemObjection(inventory, destination, systemPaths),
    () => virtualDeviceObjection(inventory, destination),
    () => loopObjection(inventory, destination),
    () => swapObjection(inventory, destination),
    () => destinationMountObjection(inventory, destination),
    () => zonedObjection(inventory, destination),
    () => destinationHolderObjection(inventory, destination),
    () => destinationMemberObjection(inventory, destination),
    () => writerObjection(destination),
    () => driveListObjection(inventory, destination),
  ];
}

/** Why the disk cannot be a source, or a destination, whatever the other disk is: what `devices` shows. */
export function soloObjection(
  inventory: Inventory,
  disk: DiskFacts,
  role: 'source' | 'destination',
  machine: MachineFacts,
): Objection {
  const uses = role === 'source' ? sourceUse : destinationUse;
  const checks = [
    () => sizeObjection(disk),
    ...uses(inventory, disk, machine),
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
