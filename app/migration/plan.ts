/**
 * From facts to a plan: refuses what preflight refuses, chooses the way and the frontend, and says in advance
 * what will be copied, what stops for how long, and which disk is the truth when. Pure, so every plan can be
 * tested.
 */
import { DiskferryError } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type {
  CopyScope,
  FrontendName,
  Plan,
  PlannedDisk,
  PlannedMount,
  PlanPhase,
  Way,
} from '../contract/plan.ts';
import { isAllocationReadable } from '../devices/allocated.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { MountedVolume } from '../devices/inventory.ts';
import { findDevice } from '../devices/inventory.ts';
import type { Facts } from './facts.ts';
import { cutOverSteps } from './cut-over-steps.ts';
import { chooseFrontend } from './frontend-choice.ts';
import { neededMemoryBytes } from './host-checks.ts';
import { journalFileBytes } from './job-journal.ts';
import type { DestinationShape } from './pair-checks.ts';
import { planDuration } from './plan-duration.ts';
import { preflight } from './preflight.ts';
import type { CheckedDisks } from './preflight.ts';
import { findWarnings } from './plan-warnings.ts';
import { mountsOf } from './use-checks.ts';
import { chooseWay, mayStayAttached, planMappedUsers, tellsDiscards } from './way.ts';

export interface PlanOptions {
  /** As the user wrote it: `auto` or the name of a frontend. */
  readonly frontend: string;
  readonly mode: string;
  /** `--verify`. */
  readonly verifies?: boolean | undefined;
  /** `--create`. */
  readonly createBytes?: number | undefined;
  /** `--experimental-no-journal`. */
  readonly allowsNoJournal?: boolean | undefined;
  /** `--unmount-at-cutover`. */
  readonly unmountsAtCutOver?: boolean | undefined;
}

/** Throws the first refusal as a DiskferryError; nothing has been written then. */
export function decidePlan(facts: Facts, options: PlanOptions): Plan {
  const { kernelOffers: offers, userId } = facts.host;
  const { frontend, reason: frontendReason } = chooseFrontend({
    requested: options.frontend,
    offers,
    isRoot: userId === 0,
  });
  if (options.mode !== 'redirect') {
    throw new DiskferryError(
      'mode-not-supported',
      `mode ${options.mode}: this version moves in the mode redirect only`,
    );
  }
  const { createBytes, allowsNoJournal = false } = options;
  const checked = preflight(facts, { frontend, createBytes, allowsNoJournal });
  const { source } = checked;
  const way = chooseWay(facts.inventory, source);
  const mounts = mountsOf(facts.inventory, source);
  const canStay = options.unmountsAtCutOver !== true && canMap(facts, { checked, way, frontend });
  const usesDeviceMapper = way === 'live' || canStay;
  const copy = way === 'live' ? copyOfLive(source, frontend) : decideCopy(facts, source, mounts);
  const destination = planDestination(checked);
  const users = {
    way,
    usesDeviceMapper,
    mounts: mounts.map(planMount),
    mappedUsers: planMappedUsers(facts.inventory, source, facts.stack),
  };
  return {
    source: planSource(source),
    destination,
    ...users,
    frontend,
    frontendReason,
    mode: 'redirect',
    verifies: options.verifies === true,
    copy,
    ...durationOf(facts, checked, { copy, verifies: options.verifies === true }),
    memoryBytes: neededMemoryBytes(source.sizeBytes),
    journalBytes: journalFileBytes(source.sizeBytes),
    stateDirectory: facts.stateDirectory.path,
    needsRoot: checked.needsRoot,
    warnings: findWarnings({ facts, checked, frontend, way, usesDeviceMapper, copy }),
    phases: phasesOf({ usesDeviceMapper, verifies: options.verifies === true }),
    cutOver: cutOverSteps({ ...users, destinationPath: destination.path, job: 'JOB', isDirect: false }),
  };
}

function durationOf(
  { inventory }: Facts,
  { source, shape }: CheckedDisks,
  how: Pick<Plan, 'copy' | 'verifies'>,
): Pick<Plan, 'duration'> {
  const deviceOf = ({ storage }: Pick<DiskFacts, 'storage'>): BlockDevice | undefined =>
    storage.kind === 'block' ? findDevice(inventory, storage.majorMinor) : undefined;
  const duration = planDuration({
    ...how,
    ...{ sizeBytes: source.sizeBytes, source: deviceOf(source), destination: deviceOf(shape) },
  });
  return duration === undefined ? {} : { duration };
}

/** Throws `not-root` when the plan can only be carried out by root and we are not. */
export function requirePrivileges(plan: Plan, userId: number): void {
  if (!plan.needsRoot || userId === 0) return;
  throw new DiskferryError('not-root', `${plan.source.path}: moving it by ${plan.frontend} needs root`, {
    context: { device: plan.source.path },
  });
}

interface Shown {
  readonly checked: CheckedDisks;
  readonly way: Way;
  readonly frontend: FrontendName;
}

/** Tables lead to block devices only. */
function canMap({ host }: Facts, { checked: { source, shape }, way, frontend }: Shown): boolean {
  const areDevices =
    source.storage.kind === 'block' && shape.storage.kind === 'block' && frontend !== 'nbd-socket';
  return host.hasDeviceMapper && areDevices && (way !== 'attach' || mayStayAttached(source));
}

// ---- the two disks

function planSource(disk: DiskFacts): PlannedDisk {
  return planDisk(disk, disk.logicalBlockBytes ?? sectorBytes);
}

/** A file takes on the source's logical blocks. */
function planDestination({ source, destination, shape }: CheckedDisks): PlannedDisk {
  const logicalBlockBytes = shape.logicalBlockBytes ?? source.logicalBlockBytes ?? sectorBytes;
  return destination === null
    ? planNewImage(shape, logicalBlockBytes)
    : planDisk(destination, logicalBlockBytes);
}

function planDisk(disk: DiskFacts, logicalBlockBytes: number): PlannedDisk {
  const { path, kind, sizeBytes, model, serial, bus, content, identity } = disk;
  const physicalBlockBytes = disk.physicalBlockBytes ?? logicalBlockBytes;
  const shape = { sizeBytes, logicalBlockBytes, physicalBlockBytes };
  return { path, kind, toBeCreated: false, ...shape, model, serial, bus, content, identity };
}

function planNewImage({ path, sizeBytes }: DestinationShape, logicalBlockBytes: number): PlannedDisk {
  const shape = { sizeBytes, logicalBlockBytes, physicalBlockBytes: logicalBlockBytes };
  const nothing = { model: null, serial: null, bus: null, content: null, identity: null };
  return { path, kind: 'file', toBeCreated: true, ...shape, ...nothing };
}

// ---- mounts

/** In mountinfo's two lists: a volume can be read-only as a whole, or writable and read-only at one place. */
function planMount(mount: MountedVolume): PlannedMount {
  const { target, fsType, root, mountOptions, superOptions, propagation } = mount;
  const isReadOnlyVolume = superOptions.includes('ro');
  const others = [...mountOptions, ...superOptions].filter((option) => option !== 'ro' && option !== 'rw');
  const options = [...new Set([isReadOnlyVolume ? 'ro' : 'rw', ...others])].join(',');
  const readOnlyHere = mountOptions.includes('ro') && !isReadOnlyVolume;
  return {
    target,
    fsType,
    root,
    options,
    readOnlyHere,
    userOptions: mount.userOptions.join(','),
    propagation,
  };
}

// ---- what is copied

/** Nobody may map the free space of what is mounted on it. */
function copyOfLive({ sizeBytes }: DiskFacts, frontend: FrontendName): CopyScope {
  const discards = tellsDiscards(frontend);
  const reason = discards
    ? 'Everything is copied but the free space that mounted file systems discard at the start.'
    : 'Everything is copied: free space cannot be told while it is in use.';
  return { scope: 'all', bytes: sizeBytes, exact: !discards, reason };
}

function decideCopy(facts: Facts, source: DiskFacts, mounts: readonly MountedVolume[]): CopyScope {
  const all = (reason: string, exact: boolean): CopyScope => ({
    scope: 'all',
    bytes: source.sizeBytes,
    exact,
    reason,
  });
  if (facts.allocation?.kind === 'known') {
    const reason = 'Only what the file system uses is copied.';
    return { scope: 'allocated', bytes: facts.allocation.allocatedBytes, exact: true, reason };
  }
  if (facts.allocation?.kind === 'unknown') {
    return all(`Everything is copied: ${facts.allocation.reason}.`, true);
  }
  const mountedType = mounts[0]?.fsType;
  if (mountedType === undefined && source.content === null) {
    return all(
      'Everything is copied, unless the start finds a file system whose free space can be told.',
      false,
    );
  }
  const type = mountedType ?? source.content?.fileSystemType ?? null;
  if (isAllocationReadable(type) || typeof source.content?.partitionTableType === 'string') {
    const reason = 'Only what the file system uses is copied, if the start finds it clean.';
    return { scope: 'allocated', bytes: usedBytes(facts, source), exact: false, reason };
  }
  return all(`Everything is copied: free space of ${type ?? 'unrecognised content'} cannot be told.`, true);
}

/** Of a mounted file system. */
function usedBytes({ inventory }: Facts, { storage }: DiskFacts): number | null {
  return storage.kind === 'block' ? (findDevice(inventory, storage.majorMinor)?.usedBytes ?? null) : null;
}

// ---- phases

const directText =
  ' What has crossed is used straight on the destination, as fast as that is; an undo carries all of it back.';

const verifyText =
  ' What was copied is read back from it first and compared; what differs is written again.';

function phasesOf({ usesDeviceMapper, verifies }: Pick<Plan, 'usesDeviceMapper' | 'verifies'>): PlanPhase[] {
  return phases.map((one) => {
    // What goes direct cannot be compared.
    if (one.phase === 'copying' && usesDeviceMapper && !verifies)
      return { ...one, meaning: one.meaning + directText };
    if (one.phase === 'synchronized' && verifies) return { ...one, meaning: one.meaning + verifyText };
    return one;
  });
}

const phases: readonly PlanPhase[] = [
  { phase: 'before', truth: 'source', meaning: 'Nothing has been written yet.' },
  {
    phase: 'copying',
    truth: 'both',
    meaning:
      'What is written during the job goes to the destination, the rest is still on the source. ' +
      'It can be undone.',
  },
  {
    phase: 'synchronized',
    truth: 'destination',
    meaning: 'The destination holds everything and waits for the cut-over. It can still be undone.',
  },
  {
    phase: 'committed',
    truth: 'destination',
    meaning: "The destination has taken the source's place for good.",
  },
];
