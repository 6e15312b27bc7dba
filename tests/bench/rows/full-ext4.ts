/**
 * An ext4 file system that is 30 % full: only what it uses crosses. Ours is the whole way, from finding the
 * free space and bringing the virtual device up to the durable copy.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gibibyte, kibibyte, mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import type { BenchDisk } from '../bench-disks.ts';
import { makeDisk, touch } from '../bench-disks.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import { OurDevice } from '../our-device-process.ts';
import type { Outcome } from '../outcome.ts';
import { compare } from '../outcome.ts';
import type { Contestant } from '../paired.ts';
import { paired } from '../paired.ts';
import type { Disks } from '../peers/copy-tools.ts';
import { partclone, qemuImg, timeMs } from '../peers/copy-tools.ts';

const sizeBytes = 3 * gibibyte;
const usedShare = 0.3;
const largeFileBytes = 8 * mebibyte;
const smallFileBytes = 16 * kibibyte;
const smallFilesPerLarge = 32;

export const fullExt4: Benchmark = {
  name: 'full-ext4',
  title: 'an ext4 file system of 3 GiB, 30 % full, with finding its free space',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const source = await makeDisk(bench, 'source', sizeBytes, 'zeroes');
    await fillFileSystem(bench, source);
    const destination = await makeDisk(bench, 'destination', sizeBytes, 'zeroes');
    const disks: Disks = { source, destination };
    const ours = OurDevice.start(bench);

    const afresh =
      (milliseconds: Contestant): Contestant =>
      async () => {
        await touch(destination);
        return (await milliseconds()) / 1000;
      };
    const figures = await paired(bench, {
      ours: afresh(() => moveUsed(ours, disks)),
      qemu: afresh(() => timeMs(() => qemuImg(disks))),
      partclone: afresh(() => timeMs(() => partclone(disks))),
    });
    await touch(destination);
    await moveUsed(ours, disks);
    await runCommand('e2fsck', ['-f', '-n', destination.path], 'checking the copy');

    const base = {
      what: 'all of it',
      unit: 's',
      ours: figures.ours,
      goal: { kind: 'below', ratio: 1 },
    } as const;
    return [
      compare({ ...base, theirName: 'qemu-img', theirs: figures.qemu }),
      compare({ ...base, theirName: 'partclone', theirs: figures.partclone }),
    ];
  },
};

async function moveUsed(ours: OurDevice, { source, destination }: Disks): Promise<number> {
  const paths = { sourcePath: source.path, destinationPath: destination.path };
  const { elapsedMs } = await ours.attach({
    ...paths,
    frontend: 'fuse',
    speed: 'full',
    skipsFreeSpaceOf: 'ext4',
  });
  const copyMs = await ours.copy();
  await ours.detach();
  return elapsedMs + copyMs;
}

/** Without a discard, which would leave holes in the file behind the disk. */
async function fillFileSystem(bench: Bench, disk: BenchDisk): Promise<void> {
  await runCommand(
    'mkfs.ext4',
    ['-q', '-E', 'nodiscard,lazy_itable_init=0', disk.path],
    'making the file system',
  );
  const directory = join(bench.directory, 'mounted');
  await mkdir(directory);
  await runCommand('mount', [disk.path, directory], 'mounting the file system');
  try {
    const roundBytes = largeFileBytes + smallFilesPerLarge * smallFileBytes;
    const rounds = Math.floor((sizeBytes * usedShare) / roundBytes);
    for (let round = 0; round < rounds; round += 1) await writeFiles(join(directory, String(round)));
  } finally {
    await runCommand('umount', [directory], 'unmounting the file system');
  }
}

async function writeFiles(directory: string): Promise<void> {
  await mkdir(directory);
  await writeFile(join(directory, 'large'), randomBytes(largeFileBytes));
  for (let index = 0; index < smallFilesPerLarge; index += 1) {
    await writeFile(join(directory, `small-${index}`), randomBytes(smallFileBytes));
  }
}
