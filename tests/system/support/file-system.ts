/** The file systems of the tests: how each is made, mounted, looked up and checked with its own checker. */
import * as z from 'zod';
import { runCommand } from '../../../app/devices/command.ts';
import { runProgram } from '../../../app/devices/program.ts';

export const fileSystemTypes = ['ext4', 'xfs', 'btrfs'] as const;
export type FileSystemType = (typeof fileSystemTypes)[number];

const makers: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F'],
  xfs: ['mkfs.xfs', '-q', '-f'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
};

/** Each only looks; anything but exit code 0 means that it found something wrong. */
const checkers: Readonly<Record<FileSystemType, readonly string[]>> = {
  ext4: ['e2fsck', '-f', '-n'],
  xfs: ['xfs_repair', '-n'],
  btrfs: ['btrfs', 'check', '--check-data-csum'],
};

async function run([program = '', ...parameters]: readonly string[], device: string): Promise<void> {
  const { exitCode, stdout, stderr } = await runProgram(program, [...parameters, device]);
  if (exitCode !== 0) throw new Error(`${program} on ${device}: exit code ${exitCode}\n${stdout}\n${stderr}`);
}

export async function makeFileSystem(
  type: FileSystemType,
  device: string,
  ...more: readonly string[]
): Promise<void> {
  await run([...makers[type], ...more], device);
}

/** Throws with the checker's words when it finds anything. Not while mounted. */
export async function checkFileSystem(type: FileSystemType, device: string): Promise<void> {
  await run(checkers[type], device);
}

export async function mount(device: string, target: string, options = 'defaults'): Promise<void> {
  await runCommand('mount', ['-o', options, device, target], `mounting ${device}`);
}

export async function unmount(target: string): Promise<void> {
  await runCommand('umount', [target], `unmounting ${target}`);
}

const findmntSchema = z.object({
  filesystems: z.array(z.object({ source: z.string(), fstype: z.string(), options: z.string() })),
});
export type MountState = z.infer<typeof findmntSchema>['filesystems'][number];

/** What is mounted there, as findmnt(8) sees it; undefined when nothing is. */
export async function findMount(target: string): Promise<MountState | undefined> {
  const parameters = ['--json', '--output', 'SOURCE,FSTYPE,OPTIONS', '--mountpoint', target];
  const { exitCode, stdout } = await runProgram('findmnt', parameters);
  return exitCode === 0 ? findmntSchema.parse(JSON.parse(stdout)).filesystems.at(-1) : undefined;
}
