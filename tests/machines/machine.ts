/**
 * Another machine's storage, as its own programs and its kernel showed it: recorded in a guest by record.ts, or made by
 * hand where `origin` says so. From the raw texts and a sysfs laid out again, the real readers and decisions
 * make the trees that `diskferry devices` would have shown there.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import { parseDrives } from '../../app/devices/drive-list.ts';
import { noHardware, parseUdevHardware } from '../../app/devices/hardware.ts';
import { parseSmartctl } from '../../app/devices/health.ts';
import { joinInventory, parseLosetup, readBtrfsSets } from '../../app/devices/inventory.ts';
import type { Inventory } from '../../app/devices/inventory.ts';
import { parseLsblk } from '../../app/devices/lsblk.ts';
import { parseMountInfo } from '../../app/devices/mounts.ts';
import type { StatOf } from '../../app/devices/reachable-stat.ts';
import { swapsFrom } from '../../app/devices/swaps.ts';
import { readSysfsDevices } from '../../app/devices/sysfs.ts';
import { makeDeviceTrees } from '../../app/migration/device-trees.ts';

const numbers = z.tuple([z.number(), z.number()]);

/** What stat(2) says of a path: a block device's numbers, or a file's device and inode. */
const pathSchema = z.union([
  z.object({ block: numbers }),
  z.object({ device: numbers, inode: z.number() }),
]);

export const machineSchema = z.object({
  /** What kind of machine it is. */
  title: z.string(),
  /** `recorded: …` with the kernel, or `made by hand: …` with the reason. */
  origin: z.string().regex(/^(recorded|made by hand): /),
  /** By path under /sys; `class/block/NAME` stands for where the kernel has a link. */
  sysfs: z.record(z.string(), z.string()),
  lsblk: z.array(z.record(z.string(), z.unknown())),
  losetup: z.string(),
  drivelist: z.array(z.unknown()),
  mountInfo: z.array(z.string()),
  swaps: z.array(z.string()),
  /** udev's records by `majorMinor`; a device without one was not probed. */
  udev: z.record(z.string(), z.string()),
  paths: z.record(z.string(), pathSchema),
  systemPaths: z.array(z.string()),
  /** smartctl's answers by `majorMinor`. */
  health: z.record(z.string(), z.unknown()).default({}),
});
export type RecordedMachine = z.infer<typeof machineSchema>;

const folder = import.meta.dirname;

export function machineNames(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
}

export function readMachine(name: string): RecordedMachine {
  return machineSchema.parse(JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')));
}

export function inventoryOfMachine(machine: RecordedMachine): Inventory {
  const sysPath = mkdtempSync(join(tmpdir(), 'diskferry-machine-'));
  try {
    layOut(machine.sysfs, sysPath);
    const statOf = statIn(machine);
    return joinInventory({
      sysfs: readSysfsDevices(sysPath, statOf),
      lsblk: parseLsblk(JSON.stringify({ blockdevices: machine.lsblk }), (number) => number in machine.udev),
      udev: (number) => parseRecord(machine.udev[number]),
      loopBackings: parseLosetup(machine.losetup),
      driveList: { drives: parseDrives(machine.drivelist), refusal: null },
      mounts: parseMountInfo(machine.mountInfo.join('\n')),
      userOptions: new Map(),
      swaps: swapsFrom(machine.swaps.join('\n'), statOf),
      btrfsSets: readBtrfsSets(sysPath),
      statOf,
    });
  } finally {
    rmSync(sysPath, { recursive: true });
  }
}

function parseRecord(record: string | undefined): ReturnType<typeof parseUdevHardware> {
  return record === undefined ? noHardware : parseUdevHardware(record);
}

/** As anybody sees them: without tables, jobs and the like, which only root may read. */
export function treesOfMachine(machine: RecordedMachine): DeviceTree[] {
  const health = Object.entries(machine.health).map(
    ([number, answer]) => [number, parseSmartctl(JSON.stringify(answer), 0)] as const,
  );
  return makeDeviceTrees({
    inventory: inventoryOfMachine(machine),
    systemPaths: machine.systemPaths,
    tables: null,
    jobs: new Map(),
    health: new Map(health),
  });
}

function statIn({ paths }: RecordedMachine): StatOf {
  return (path) => {
    const found = paths[path];
    if (found === undefined) return undefined;
    return 'block' in found
      ? { isBlockDevice: () => true, rdev: numberOf(found.block), dev: 0n, ino: 0n }
      : { isBlockDevice: () => false, rdev: 0n, dev: numberOf(found.device), ino: BigInt(found.inode) };
  };
}

/** The inverse of majorMinorOf in block-device.ts. */
function numberOf([major, minor]: readonly [number, number]): bigint {
  const [wide, low] = [BigInt(major), BigInt(minor)];
  return ((wide & 0xfffn) << 8n) | ((wide & 0xfffff000n) << 32n) | (low & 0xffn) | ((low & 0xffffff00n) << 12n);
}

/** Partitions lie in their disk's folder, and class/block has links, as in a real one. */
function layOut(sysfs: RecordedMachine['sysfs'], sysPath: string): void {
  mkdirSync(join(sysPath, 'class/block'), { recursive: true });
  for (const [path, value] of Object.entries(sysfs)) {
    const target = join(sysPath, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, value, 'latin1');
  }
  const devices = new Set(
    Object.keys(sysfs).flatMap((path) => /^devices\/.+?(?=\/dev$)/.exec(path)?.[0] ?? []),
  );
  for (const device of devices)
    symlinkSync(join(sysPath, device), join(sysPath, 'class/block', device.split('/').at(-1) ?? ''));
}
