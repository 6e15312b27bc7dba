/**
 * The step of each layer: the program that makes it larger, on the disk that is held open. A step ends only
 * when its program has; whether the layer is larger then is seen by looking again (carry-out.ts), because a
 * program can say that all is well and have done nothing.
 *
 * What each leaves when it is killed or power fails: sfdisk the old table or the new one, the GPT's backup
 * besides, which it then finds outdated and writes again. cryptsetup, LVM: the old size or the new one. ext4,
 * XFS and Btrfs grow mounted, with their journals: the old size, the new one, or one between. resize.f2fs and
 * ntfsresize promise nothing, which the plan says.
 */
import { assert, DiskferryError, present } from '../base/error.ts';
import type { GrowLayer, GrowLayerKind, GrowPlan } from '../contract/grow.ts';
import type { MountableDevice } from '../devices/private-mount.ts';
import { mountableAt, withPrivateMount } from '../devices/private-mount.ts';
import type { ProgramResult } from '../devices/program.ts';
import { runToItsEnd } from '../devices/program-to-its-end.ts';
import { withClaim } from '../devices/exclusive-open.ts';
import { basename } from 'node:path';
import type { GrowWay } from './content-decision.ts';
import { growWay } from './content-decision.ts';
import { privateMounts } from './file-system-size.ts';
import type { Found, FoundFileSystem, GrowableType } from './found.ts';
import { withPassphrase } from './luks-container.ts';
import { differenceBesideSize, readTable, relocateBackup, resizeRow, tellKernel } from './partition-table.ts';
import { lvextendWords } from './volume-group.ts';

export interface Step {
  readonly plan: GrowPlan;
  /** As it is right now. */
  readonly found: Found;
  readonly layer: GrowLayer;
  readonly passphrase: Uint8Array | undefined;
}

/** Throws whatever its program says against it. */
export async function growLayer(step: Step): Promise<void> {
  await actions[step.layer.kind](step);
}

const actions: Readonly<Record<GrowLayerKind, (step: Step) => Promise<void>>> = {
  table: ({ plan }) => withClaim(plan.disk.path, () => relocateBackup(plan.disk.path)),
  partition: (step) => withClaim(step.plan.disk.path, () => growPartition(step)),
  luks: growContainer,
  'physical-volume': ({ layer }) => mustRun(layer.name, 'pvresize', ['--', layer.name]),
  'logical-volume': growVolume,
  'file-system': growFileSystem,
};

function failed(device: string, program: string, { exitCode, stderr, stdout }: ProgramResult): DiskferryError {
  const words = stderr.trim() === '' ? stdout : stderr;
  const said = words.trim().split(/\s*\n\s*/).slice(-3).join(' ');
  const message = `${device}: ${program} failed: ${said === '' ? `exit code ${exitCode}` : said}`;
  return new DiskferryError('command-failed', message, { context: { device, program, exitCode } });
}

async function mustRun(device: string, program: string, parameters: readonly string[], input?: Uint8Array): Promise<void> {
  const result = await runToItsEnd(program, parameters, input);
  if (result.exitCode !== 0) throw failed(device, program, result);
}

// ---- the partition

async function growPartition({ plan, found, layer }: Step): Promise<void> {
  const table = present(found.table, 'a disk with a partition has a table');
  const number = present(found.partition, 'a partition has a number');
  const blocks = layer.afterBytes / table.blockBytes;
  const row = table.rows.find((one) => one.number === number);
  if (row?.count !== blocks) {
    await resizeRow(plan.disk.path, { number, blocks });
    const difference = differenceBesideSize(table, await readTable(plan.disk), number);
    if (difference !== null)
      throw new DiskferryError('command-failed', `${plan.disk.path}: ${difference}`, {
        context: { device: plan.disk.path },
      });
  }
  await tellKernel(plan.disk.path, { number, sizeBytes: layer.afterBytes });
}

// ---- LUKS, LVM

async function growContainer({ layer, found, passphrase }: Step): Promise<void> {
  const container = found.layers.find((one) => one.kind === 'luks' && one.name === layer.name);
  const needsKey = container?.kind === 'luks' && container.needsPassphrase;
  const name = basename(layer.name);
  if (!needsKey) return mustRun(layer.name, 'cryptsetup', ['resize', '--batch-mode', '--', name]);
  await withPassphrase(layer.name, ['resize', '--batch-mode', '--key-file', '-', '--', name], passphrase);
}

async function growVolume({ layer, found }: Step): Promise<void> {
  const below = found.layers.find(({ kind }) => kind === 'physical-volume');
  const disk = present(below, 'an LV lies on a physical volume').name;
  await mustRun(layer.name, 'lvextend', lvextendWords(layer.name, layer.afterBytes - layer.beforeBytes, disk));
}

// ---- file systems

async function growFileSystem({ layer, found }: Step): Promise<void> {
  const system = found.layers.find((one): one is FoundFileSystem => one.kind === 'file-system');
  const { type, name } = present(system, 'the layer was found');
  const device = mountableAt(name);
  const way = growWay(present(system, 'the layer was found'));
  if (way === 'privately') await growPrivately(device, type, layer.afterBytes);
  else await growInPlace(device, type, way);
}

/** resize2fs finds the mount itself. ntfsresize asks whether it may, after it has checked all that it can. */
async function growInPlace({ path }: MountableDevice, type: GrowableType, way: GrowWay): Promise<void> {
  if (type === 'f2fs') return mustRun(path, 'resize.f2fs', [path]);
  if (type === 'ntfs') return mustRun(path, 'ntfsresize', ['--no-progress-bar', path], Buffer.from('y\n'));
  // It insists on a check since the last mount. That was full-checks.ts, which leaves no trace; told so, it still
  // refuses all else that it would refuse, as it would not with -f.
  if (way === 'unmounted') await mustRun(path, 'tune2fs', ['-T', 'now', path]);
  await mustRun(path, 'resize2fs', [path]);
}

async function growPrivately(device: MountableDevice, type: GrowableType, afterBytes: number): Promise<void> {
  assert(type !== 'f2fs' && type !== 'ntfs', 'the table of ways has no private mount for it');
  await withPrivateMount(device, privateMounts[type], async ({ run, directory }) => {
    const [program, parameters] = await onlineCommand(type, { device, directory, afterBytes });
    const result = await run(program, parameters);
    if (result.exitCode !== 0) throw failed(device.path, program, result);
  });
}

interface Place {
  readonly device: MountableDevice;
  readonly directory: string;
  readonly afterBytes: number;
}

type Online = Exclude<GrowableType, 'f2fs' | 'ntfs'>;

async function onlineCommand(type: Online, { device, directory, afterBytes }: Place): Promise<[string, string[]]> {
  if (type === 'xfs') return ['xfs_growfs', ['-d', directory]];
  if (type !== 'btrfs') return ['resize2fs', [device.path]];
  // To the number of bytes: "max" would also be taken when the device is another size than planned.
  const id = await btrfsDeviceId(device);
  return ['btrfs', ['filesystem', 'resize', `${id}:${afterBytes}`, directory]];
}

async function btrfsDeviceId({ path }: MountableDevice): Promise<number> {
  const result = await runToItsEnd('btrfs', ['inspect-internal', 'dump-super', path]);
  const id = /^dev_item\.devid\s+(\d+)$/m.exec(result.stdout)?.[1];
  if (result.exitCode !== 0 || id === undefined) throw failed(path, 'btrfs inspect-internal dump-super', result);
  return Number(id);
}
