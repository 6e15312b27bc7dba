/** `diskferry grow` on real disks: every file system in every kind of table, and what stays as it was. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';
import { checkFileSystem, makeFileSystem, mount, unmount } from './support/file-system.ts';
import type { FileSystemType } from './support/file-system.ts';
import {
  grow,
  growCommand,
  grownIn,
  makeGrowable,
  makePlanted,
  parseGrow,
  plantedIn,
  roomy,
  showPartitions,
  writeAt,
} from './support/growable-disk.ts';
import type { Growable, GrowableOptions } from './support/growable-disk.ts';
import { fillWithRandom, readPart } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
afterEach(() => void vi.unstubAllEnvs());
const twoParts = (label: string): string => `label: ${label}\n,16M\n,\n`;
const filled = (type: FileSystemType, part = 'p2') => ({
  fill: async (disk: string): Promise<void> => makeFileSystem(type, `${disk}${part}`),
});

/** As the kernel has it. */
function sizeOfPart({ path }: Growable, number: number): number {
  return Number(readFileSync(`/sys/class/block/${path.slice(5)}p${number}/size`, 'utf8')) * 512;
}

describe.skipIf(!isRoot)('grow (needs root)', () => {
  it.each<[FileSystemType, string, number]>([
    ['ext4', 'gpt', 512],
    ['ext4', 'dos', 4096],
    ['xfs', 'gpt', 4096],
    ['btrfs', 'dos', 512],
  ])('grows %s in the last partition of a %s disk with sectors of %i bytes', async (type, label, blockBytes) => {
    const scratch = scratchOf();
    const { disk, digest } = await makePlanted(scratch, type, {
      ...{ script: twoParts(label), blockBytes, part: 'p2' },
      fill: async (path) => Promise.resolve(fillWithRandom(`${path}p1`, 0, 16 * mebibyte)),
    });
    const neighbour = readPart(`${disk.path}p1`, 0, 16 * mebibyte);
    const before = await plantedIn(scratch, `${disk.path}p2`);
    const run = await grow(scratch, disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run)).toEqual([...(label === 'gpt' ? ['table'] : []), 'partition', 'file-system']);
    await checkFileSystem(type, `${disk.path}p2`);
    const after = await plantedIn(scratch, `${disk.path}p2`);
    expect(after.digest).toBe(digest);
    expect(after.totalBytes - before.totalBytes).toBeGreaterThan(350 * mebibyte);
    expect(readPart(`${disk.path}p1`, 0, 16 * mebibyte).equals(neighbour)).toBe(true);
    await runCommand('sfdisk', ['--verify', disk.path], 'sfdisk');
    if (label === 'gpt') expect(await runCommand('sgdisk', ['-v', disk.path], 'sgdisk')).toContain('No problems found');
    expect(await grow(scratch, disk.path, '--yes')).toMatchObject({ exitCode: 3, failure: { code: 'nothing-to-grow' } });
  });

  it.each([
    ['f2fs', ['mkfs.f2fs', '-q', '-f'], ['fsck.f2fs', '--dry-run']],
    ['ntfs', ['mkfs.ntfs', '-q', '-f', '-F'], ['ntfsresize', '--info', '--force']],
  ])('grows %s, which nobody has mounted', async (_, make, check) => {
    const disk = await makeGrowable(scratchOf(), 'disk', {
      script: 'label: gpt\n,\n',
      fill: async (path) => {
        await runCommand(make[0] ?? '', [...make.slice(1), `${path}p1`], 'mkfs');
      },
    });
    const run = await grow(scratchOf(), `${disk.path}p1`, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run)).toEqual(['table', 'partition', 'file-system']);
    expect(run.stderr.replaceAll(/\s+/g, ' ')).toContain('have a backup');
    await runCommand(check[0] ?? '', [...check.slice(1), `${disk.path}p1`], 'checking');
  });

  it('grows a volume without partitions', async () => {
    const options: GrowableOptions = { ...roomy, script: null, ...filled('xfs', '') };
    const disk = await makeGrowable(scratchOf(), 'disk', options);
    expect(grownIn(await grow(scratchOf(), disk.path, '--yes'))).toEqual(['file-system']);
    await checkFileSystem('xfs', disk.path);
  });

  it.each<[FileSystemType, string]>([
    ['xfs', 'noatime'],
    ['btrfs', 'subvol=a part'],
  ])('grows %s while it is mounted, whatever its mount point is called', async (type, options) => {
    const scratch = scratchOf();
    const disk = await makeGrowable(scratch, 'disk', { ...roomy, script: twoParts('gpt'), ...filled(type) });
    const target = await scratch.makeDirectory('a home of\tall\\n');
    if (type === 'btrfs') {
      await mount(`${disk.path}p2`, target);
      await runCommand('btrfs', ['subvolume', 'create', `${target}/a part`], 'btrfs');
      await unmount(target);
    }
    await mount(`${disk.path}p2`, target, options);
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    const run = await grow(scratch, disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
    const total = await runCommand('df', ['--output=size', '--block-size=1M', target], 'df');
    expect(Number(total.trim().split('\n').at(-1))).toBeGreaterThan(700);
    await unmount(target);
    await checkFileSystem(type, `${disk.path}p2`);
  });

  it('grows a partition that is not the last one up to the next, and leaves the table at its place', async () => {
    const script = 'label: gpt\nstart=1M,size=32M\nstart=96M,size=16M\n';
    const disk = await makeGrowable(scratchOf(), 'disk', { script, ...filled('ext4', 'p1') });
    const run = await grow(scratchOf(), disk.path, '--partition', '1', '--yes');
    expect(run).toMatchObject({ exitCode: 0 });
    expect(sizeOfPart(disk, 1)).toBe(95 * mebibyte);
    await checkFileSystem('ext4', `${disk.path}p1`);
    await runCommand('sfdisk', ['--verify', disk.path], 'sfdisk');
  });

  it('keeps names, identifiers, attributes, boot code and a GPT of 256 entries', async () => {
    const script =
      'label: gpt\ntable-length: 256\nsize=16M, type=uefi, name="EFI part", attrs="RequiredPartition"\n' +
      'size=32M, name="home of all", attrs="LegacyBIOSBootable,GUID:60", bootable\n';
    const disk = await makeGrowable(scratchOf(), 'disk', { script, ...filled('ext4') });
    writeAt(disk.path, 0, Buffer.alloc(440, 0x90));
    const rows = async (): Promise<string> =>
      (await runCommand('sfdisk', ['--dump', disk.path], 'sfdisk')).replaceAll(/(p2 .*size=)\s*\d+|last-lba:.*/g, '$1');
    const before = await rows();
    expect(before).toContain('table-length: 256');
    expect(await grow(scratchOf(), disk.path, '--yes')).toMatchObject({ exitCode: 0 });
    expect(await rows()).toBe(before);
    expect(readPart(disk.path, 0, 440).every((byte) => byte === 0x90)).toBe(true);
    expect(await runCommand('sgdisk', ['-v', disk.path], 'sgdisk')).toContain('No problems found');
  });

  it.each([1, 3])('keeps boot flags and logical partitions of an MBR, with partition %i active', async (active) => {
    const mark = (number: number): string => (number === active ? ',bootable' : '');
    // The number decides what a partition of an MBR is: those from 5 on are logical.
    const primary = `1: start=1M,size=32M${mark(1)}\n2: start=64M,size=32M,type=5\n3: start=100M,size=16M${mark(3)}\n`;
    const script = `label: dos\n${primary}5: start=65M,size=8M\n6: start=80M,size=8M\n`;
    const disk = await makeGrowable(scratchOf(), 'disk', { script, ...filled('ext4', 'p1') });
    const rows = async (): Promise<string> =>
      (await runCommand('sfdisk', ['--dump', disk.path], 'sfdisk')).replaceAll(/(p1 .*size=)\s*\d+/g, '$1');
    const behind = readPart(disk.path, 64 * mebibyte, 52 * mebibyte);
    const before = await rows();
    expect(before).toContain('bootable');
    expect(await grow(scratchOf(), disk.path, '--partition', '1', '--yes')).toMatchObject({ exitCode: 0, failure: null });
    expect(await rows()).toBe(before);
    expect(sizeOfPart(disk, 1)).toBe(63 * mebibyte);
    expect(readPart(disk.path, 64 * mebibyte, 52 * mebibyte).equals(behind)).toBe(true);
    await checkFileSystem('ext4', `${disk.path}p1`);
  });

  it.each([
    ['dos', 63, 512],
    ['gpt', 34, 512],
    ['gpt', 7, 4096],
  ])('grows a partition of a %s disk that begins at block %i of %i bytes as planned', async (label, start, blockBytes) => {
    const script = `label: ${label}\nfirst-lba: ${start}\nstart=${start},size=${(64 * mebibyte) / blockBytes}\n`;
    const disk = await makeGrowable(scratchOf(), 'disk', {
      script: label === 'gpt' ? script : script.replace(/first-lba.*\n/, ''),
      blockBytes,
      ...filled('ext4', 'p1'),
    });
    const run = await grow(scratchOf(), disk.path, '--yes');
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    const [planned] = run.events;
    const layers = planned?.event === 'grow-planned' ? planned.plan.layers : [];
    const part = layers.find(({ kind }) => kind === 'partition');
    expect(sizeOfPart(disk, 1)).toBe(part?.afterBytes);
    expect(sizeOfPart(disk, 1)).toBeGreaterThan(250 * mebibyte);
    expect(sizeOfPart(disk, 1) % 4096).toBe(0);
    await runCommand('sfdisk', ['--verify', disk.path], 'sfdisk');
    await checkFileSystem('ext4', `${disk.path}p1`);
  });

  it('says how far an MBR reaches on a disk of more than 2 TiB', async () => {
    const options = { script: 'label: dos\n,\n', ...filled('ext4', 'p1'), largeBytes: 3 * 2 ** 40 };
    const disk = await makeGrowable(scratchOf(), 'disk', options);
    const run = await grow(scratchOf(), disk.path, '--dry-run');
    const [planned] = run.events;
    const plan = planned?.event === 'grow-planned' ? planned.plan : null;
    expect(plan?.layers.find(({ kind }) => kind === 'partition')?.afterBytes).toBe(2 ** 41 - mebibyte);
    expect(plan?.notes.join()).toContain(`no further than ${2 ** 41} bytes`);
  });

  it('tells of a partition that was deleted behind the one that grows', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', {
      script: 'label: gpt\nstart=1M,size=32M\nstart=33M,size=32M\n',
      fill: async (path) => {
        await makeFileSystem('ext4', `${path}p1`);
        await makeFileSystem('ext4', `${path}p2`);
        await runCommand('partx', ['--delete', '--nr', '2', path], 'partx');
        await runCommand('sfdisk', ['--no-reread', '--no-tell-kernel', '--delete', path, '2'], 'sfdisk');
      },
    });
    const run = await grow(scratchOf(), disk.path, '--dry-run');
    expect(run.stderr.replaceAll(/\s+/g, ' ')).toContain('looks like ext4, perhaps a partition that was deleted');
  });

  it('grows a mounted XFS from within a chroot, where the namespace of a mount has another root', async () => {
    const scratch = scratchOf();
    const disk = await makeGrowable(scratch, 'disk', { ...roomy, script: twoParts('gpt'), ...filled('xfs') });
    const [target, root] = [await scratch.makeDirectory('volume'), await scratch.makeDirectory('root')];
    await mount(`${disk.path}p2`, target);
    const enter = 'mount --rbind / "$1" && exec chroot "$@"';
    const words = ['--mount', '--propagation', 'private', 'bash', '-c', enter, 'bash', root];
    const run = parseGrow(await runProgram('unshare', [...words, ...growCommand(scratch, disk.path, '--yes')]));
    expect(run).toMatchObject({ exitCode: 0, failure: null });
    expect(grownIn(run).at(-1)).toBe('file-system');
    await unmount(target);
    await checkFileSystem('xfs', `${disk.path}p2`);
  });

  it('keeps a hybrid MBR, and grows what it does not list', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', {
      script: 'label: gpt\n,16M\n,32M\n',
      fill: async (path) => {
        await runCommand('sgdisk', ['--hybrid=1', path], 'sgdisk');
        // It has the kernel read the table, which one that knows no tables takes for an empty one.
        await showPartitions(path);
        await makeFileSystem('ext4', `${path}p2`);
      },
    });
    const before = readPart(disk.path, 0, 512);
    expect(await grow(scratchOf(), disk.path, '--yes')).toMatchObject({ exitCode: 0 });
    expect(readPart(disk.path, 0, 512).equals(before)).toBe(true);
    const listed = await grow(scratchOf(), disk.path, '--partition', '1', '--yes');
    expect(listed).toMatchObject({ exitCode: 3, failure: { code: 'cannot-be-grown', dataIs: 'untouched' } });
    expect(listed.stderr).toContain('hybrid');
  });

  it('shows what it would do, and writes nothing then', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { script: twoParts('gpt'), ...filled('ext4') });
    const digest = async (): Promise<string> => runCommand('sha256sum', [disk.file], 'sha256sum');
    await runCommand('sync', ['-f', disk.file], 'sync');
    const before = await digest();
    const run = await grow(scratchOf(), disk.path, '--dry-run');
    expect(run.exitCode).toBe(0);
    const [planned] = run.events;
    const layers = planned?.event === 'grow-planned' ? planned.plan.layers : [];
    expect(layers.map(({ kind, beforeBytes, afterBytes }) => [kind, beforeBytes / mebibyte, afterBytes / mebibyte])).toEqual([
      ['table', expect.any(Number), expect.any(Number)],
      ['partition', 110, 238],
      ['file-system', 110, 238],
    ]);
    const asked = await grow(scratchOf(), disk.path);
    expect(asked).toMatchObject({ exitCode: 3, failure: { code: 'not-confirmed' } });
    expect(await digest()).toBe(before);
  });

  it('leaves no mount, no mount point and no lock behind', async () => {
    const disk = await makeGrowable(scratchOf(), 'disk', { ...roomy, script: twoParts('gpt'), ...filled('xfs') });
    // Not where others put what is theirs meanwhile.
    const temporary = await scratchOf().makeDirectory('temporary');
    vi.stubEnv('TMPDIR', temporary);
    await grow(scratchOf(), disk.path, '--yes');
    expect(readdirSync(temporary)).toEqual([]);
    expect(await runProgram('flock', ['--nonblock', disk.path, 'true'])).toMatchObject({ exitCode: 0 });
    await makeFileSystem('ext4', `${disk.path}p2`);
  });
});
