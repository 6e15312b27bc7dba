/**
 * What `devices` shows: the machine's disks as trees, with what lies on them and why a device can or cannot
 * be the source or the destination. Nothing is left out but what has no size (empty loop devices and card
 * readers).
 */
import { DiskferryError } from '../base/error.ts';
import { adviceFor } from '../contract/advice.ts';
import type { DeviceTree, Eligibility, Health } from '../contract/device-tree.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { readBlockFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { readInventory } from '../devices/inventory.ts';
import { readHealth } from '../devices/health.ts';
import { readSystemPaths } from './facts.ts';
import { readUserTables } from '../devices/stack-facts.ts';
import type { UserTable } from '../devices/stack.ts';
import { findLivingJobs } from './recorded-jobs.ts';
import { soloObjection } from './preflight.ts';
import { holdsSystem } from './use-checks.ts';
import { chooseWay, wayReasons } from './way.ts';

export interface DeviceTrees {
  readonly trees: readonly DeviceTree[];
  /** What could not be asked, and why. */
  readonly notes: readonly string[];
}

/**
 * Of the machine as it is now. Without root, what lies on disks that udev has no record of stays unknown,
 * verdicts about LVs go by their names, and whether a job moves a disk is not known.
 */
export async function readDeviceTrees(stateDirectory: string): Promise<DeviceTrees> {
  const inventory = await readInventory({ probes: true, votes: true });
  const isRoot = process.geteuid?.() === 0;
  const trees = makeDeviceTrees({
    inventory,
    systemPaths: readSystemPaths(),
    tables: isRoot ? await readTables(inventory) : null,
    jobs: isRoot ? await readJobs(stateDirectory) : new Map(),
    health: isRoot ? await readAllHealth(inventory) : new Map(),
  });
  const { refusal } = inventory.driveList;
  return { trees, notes: refusal === null ? [] : [refusal] };
}

export interface Machine {
  readonly inventory: Inventory;
  readonly systemPaths: readonly string[];
  /** By the device that their owners lie on; null for those who may not read them. */
  readonly tables: ReadonlyMap<string, readonly UserTable[]> | null;
  /** The running job that moves a disk, by the disk. */
  readonly jobs: ReadonlyMap<string, string>;
  /** By the disk; those that were not asked are missing. */
  readonly health: ReadonlyMap<string, Health>;
}

async function readTables({ devices, ...rest }: Inventory): Promise<NonNullable<Machine['tables']>> {
  const tables = new Map<string, readonly UserTable[]>();
  for (const { majorMinor } of devices)
    tables.set(majorMinor, await readUserTables({ devices, ...rest }, majorMinor));
  return tables;
}

async function readAllHealth({ devices }: Inventory): Promise<Machine['health']> {
  const answers = await Promise.all(
    devices.map(async (device) => [device.majorMinor, await readHealth(device)] as const),
  );
  return new Map(answers.flatMap(([disk, health]) => (health === null ? [] : [[disk, health] as const])));
}

async function readJobs(stateDirectory: string): Promise<Machine['jobs']> {
  const jobs = await findLivingJobs(stateDirectory);
  const disks = jobs.flatMap(({ job, record }) =>
    'defect' in record
      ? []
      : [record.plan.source, record.plan.destination].map(
          ({ identity }) => [identity?.majorMinor ?? '', job] as const,
        ),
  );
  return new Map(disks);
}

/** One tree per device that lies on no other one, in the order of their names. */
export function makeDeviceTrees(machine: Machine): DeviceTree[] {
  const { devices } = machine.inventory;
  const roots = devices.filter((device) => device.sizeBytes > 0 && lowerDevices(device).length === 0);
  return sorted(roots).map((root) => makeTree(machine, root));
}

function sorted(devices: readonly BlockDevice[]): BlockDevice[] {
  return [...devices].sort((one, other) => one.path.localeCompare(other.path, 'en', { numeric: true }));
}

/** What the device lies on directly; a loop device over a file stands for itself. */
function lowerDevices(device: BlockDevice): string[] {
  return [...device.slaves, device.partition?.diskMajorMinor, device.loop?.block].flatMap(
    (lower) => lower ?? [],
  );
}

function makeTree(machine: Machine, device: BlockDevice): DeviceTree {
  const { inventory } = machine;
  const { path, kind, majorMinor, sizeBytes, logicalBlockBytes, physicalBlockBytes, readOnly, removable } =
    device;
  const { model, vendor, serial, wwn, bus, content, usedBytes, partitionUuid } = device;
  const mounts = inventory.mounts.filter(({ devices }) => devices.includes(majorMinor));
  const children = inventory.devices.filter((other) => lowerDevices(other).includes(majorMinor));
  return {
    ...{ path, kind, majorMinor, sizeBytes, logicalBlockBytes, physicalBlockBytes, readOnly, removable },
    ...{ model, vendor, serial, wwn, bus, content, usedBytes, partitionUuid },
    linkMegabits: device.link?.megabits ?? null,
    health: machine.health.get(majorMinor) ?? null,
    isSystem: holdsSystem(inventory, readBlockFacts(device, path), machine.systemPaths),
    mountPoints: mounts.map(({ target }) => target),
    isSwap: inventory.swaps.some(({ block }) => block === majorMinor),
    offsetBytes: device.partition?.offsetBytes ?? null,
    backingFile: device.loop?.path ?? null,
    asSource: eligibility(machine, device, 'source'),
    asDestination: eligibility(machine, device, 'destination'),
    way: wayOf(machine, device),
    children: sorted(children).map((child) => makeTree(machine, child)),
  };
}

function eligibility(machine: Machine, device: BlockDevice, role: 'source' | 'destination'): Eligibility {
  const { inventory, systemPaths, tables } = machine;
  const disk = readBlockFacts(device, device.path);
  const facts = { systemPaths, tables: tables?.get(device.majorMinor) ?? null };
  const objection = jobObjection(machine, device) ?? soloObjection(inventory, disk, role, facts);
  if (objection === undefined) return { eligible: true, reason: null };
  const { code, message } = objection;
  return { eligible: false, reason: { code, message, advice: adviceFor(objection).advice } };
}

function jobObjection({ jobs }: Machine, { majorMinor, path }: BlockDevice): DiskferryError | undefined {
  const job = jobs.get(majorMinor);
  if (job === undefined) return undefined;
  return new DiskferryError('device-in-use', `${path}: the job ${job} moves it at the moment`, {
    context: { device: path },
  });
}

function wayOf(machine: Machine, device: BlockDevice): DeviceTree['way'] {
  if (!eligibility(machine, device, 'source').eligible) return null;
  const way = chooseWay(machine.inventory, readBlockFacts(device, device.path));
  return { way, reason: wayReasons[way] };
}
