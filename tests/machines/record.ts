/**
 * Records the storage of the machine that it runs on as one JSON object, for tests/machines: run as root, in a guest
 * or on real hardware. Nothing is opened but what lsblk, losetup and drivelist open themselves. Serial numbers and
 * labels stay in it: look at it before you give it away.
 *
 * npx esbuild tests/machines/record.ts --bundle --platform=node --format=esm --external:drivelist --outfile=build/record.mjs
 * node build/record.mjs TITLE ORIGIN
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { majorMinorOf } from '../../app/devices/block-device.ts';
import { parseMountInfo } from '../../app/devices/mounts.ts';
import { parseSwaps } from '../../app/devices/swaps.ts';
import type { RecordedMachine } from './machine.ts';

/** What the readers in app/devices read of a device. */
const attributes = [
  ...['dev', 'size', 'ro', 'removable', 'diskseq', 'partition', 'start', 'serial', 'wwid'],
  ...['queue/logical_block_size', 'queue/physical_block_size', 'queue/zoned'],
  ...['dm/name', 'dm/uuid', 'loop/backing_file', 'loop/offset', 'loop/sizelimit', 'md/level'],
  ...['device/model', 'device/vendor', 'device/serial', 'device/wwid', 'device/vpd_pg80'],
];

const lsblkColumns = [
  ...['name', 'kname', 'path', 'maj:min', 'model', 'vendor', 'serial', 'wwn', 'tran', 'fstype', 'uuid', 'label'],
  ...['pttype', 'ptuuid', 'partuuid', 'fsused', 'type', 'mountpoint'],
];

type Paths = Record<string, RecordedMachine['paths'][string]>;

function readAttribute(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // this kind of device has none
  }
}

/** Empty loop, nbd and RAM devices would be hundreds of lines. */
function isWorthIt(folder: string): boolean {
  return Number(readAttribute(join(folder, 'size')) ?? '0') > 0 && !/\/ram\d+$/.test(folder);
}

function readSysfs(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync('/sys/class/block').sort()) {
    const folder = realpathSync(join('/sys/class/block', name));
    if (!isWorthIt(folder)) continue;
    const short = shortened(folder, name);
    for (const attribute of attributes) {
      const value = readAttribute(join(folder, attribute));
      if (value !== undefined) found[`${short}/${attribute}`] = value;
    }
    const slaves = join(folder, 'slaves');
    for (const slave of existsSync(slaves) ? readdirSync(slaves) : []) found[`${short}/slaves/${slave}`] = '';
  }
  return { ...found, ...readBtrfs() };
}

/** A partition stays in its disk's folder; how the disk is attached does not matter. */
function shortened(folder: string, name: string): string {
  const isPartition = existsSync(join(folder, 'partition'));
  return isPartition ? `devices/${folder.split('/').at(-2) ?? ''}/${name}` : `devices/${name}`;
}

function readBtrfs(): Record<string, string> {
  const folder = '/sys/fs/btrfs';
  const uuids = (existsSync(folder) ? readdirSync(folder) : []).filter((name) => name.includes('-'));
  const members = uuids.flatMap((uuid) =>
    readdirSync(join(folder, uuid, 'devices')).map((name) => `fs/btrfs/${uuid}/devices/${name}`),
  );
  return Object.fromEntries(members.map((member) => [member, '']));
}

function notePath(paths: Paths, path: string): void {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return;
  const split = (device: bigint): [number, number] => {
    const [major = 0, minor = 0] = majorMinorOf(device).split(':').map(Number);
    return [major, minor];
  };
  paths[path] = stat.isBlockDevice()
    ? { block: split(stat.rdev) }
    : { device: split(stat.dev), inode: Number(stat.ino) };
}

function readRows(): Record<string, unknown>[] {
  const text = execFileSync('lsblk', ['--json', '--bytes', '--list', '--output-all'], { encoding: 'utf8' });
  const { blockdevices } = JSON.parse(text) as { blockdevices: Record<string, unknown>[] };
  return blockdevices
    .filter((row) => Number(row['size']) > 0 && !String(row['name']).startsWith('ram'))
    .map((row) =>
      Object.fromEntries(
        lsblkColumns.flatMap((key) => ((row[key] ?? null) === null ? [] : [[key, row[key]] as const])),
      ),
    );
}

async function readDrives(): Promise<unknown[]> {
  const { list } = await import('drivelist');
  return (await list()).filter(({ size }) => (size ?? 0) > 0);
}

function readRecords(rows: readonly Record<string, unknown>[]): Record<string, string> {
  const numbers = rows.map((row) => String(row['maj:min']).trim());
  return Object.fromEntries(
    numbers.flatMap((number) => {
      const record = readAttribute(`/run/udev/data/b${number}`);
      return record === undefined ? [] : [[number, record] as const];
    }),
  );
}

async function recordMachine(title: string, origin: string): Promise<RecordedMachine> {
  const lsblk = readRows();
  const sysfs = readSysfs();
  const mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => !/ - (proc|sysfs|cgroup2?|devpts|securityfs|mqueue|debugfs|tracefs|bpf|pstore) /.test(line));
  const swaps = readFileSync('/proc/swaps', 'utf8').trim().split('\n');
  const losetup = execFileSync('losetup', ['--list', '--json', '--output', 'NAME,BACK-INO,BACK-MAJ:MIN'], {
    encoding: 'utf8',
  });
  const paths: Paths = {};
  const files = Object.entries(sysfs).flatMap(([path, value]) => (path.endsWith('backing_file') ? [value.trim()] : []));
  const sources = parseMountInfo(mountInfo.join('\n')).flatMap(({ source }) => (source.startsWith('/') ? [source] : []));
  for (const path of [...files, ...sources, ...parseSwaps(swaps.join('\n'))]) notePath(paths, path);
  return {
    ...{ title, origin, sysfs, lsblk, losetup, mountInfo: mountInfo.filter((line) => line !== ''), swaps, paths },
    drivelist: await readDrives(),
    udev: readRecords(lsblk),
    systemPaths: ['/', '/boot', '/boot/efi', '/efi', '/usr', '/var', '/etc'],
    health: {},
  };
}

const [title = 'a machine', origin = 'recorded: by hand'] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify(await recordMachine(title, origin))}\n`);
