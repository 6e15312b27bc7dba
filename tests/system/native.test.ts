/**
 * The addon's calls that need root, on devices that this file makes of image files: loop devices with each
 * block size, what block ioctls do to their backing file, and a FUSE mount whose first request is read
 * through the ring.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferPool, pageBytes } from '../../app/base/buffer-pool.ts';
import type { LoopDevice, LoopOptions } from '../../native/binding.ts';
import { readAttribute } from '../../app/devices/sysfs-files.ts';
import { openFuse } from '../../app/engine/fuse-device.ts';
import { addon } from '../../native/binding.ts';
import { Ring } from '../../native/ring.ts';

const isRoot = process.getuid?.() === 0;
const imageBytes = 64 * pageBytes;
/** FUSE_INIT of linux/fuse.h, and the sizes of its header and of its body since protocol 7.36. */
const fuseInit = { opcode: 26, headerBytes: 40, bodyBytes: 64 };

let directory: string;
let releases: (() => Promise<void> | void)[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-native-'));
  releases = [() => rmSync(directory, { recursive: true })];
});

afterEach(async () => {
  for (const release of releases.reverse()) await release();
});

function openFile(path: string, flags: string): number {
  const fd = openSync(path, flags);
  releases.push(() => closeSync(fd));
  return fd;
}

/** An image file full of ones. */
function makeImage(name: string, bytes = imageBytes): { path: string; fd: number } {
  const path = join(directory, name);
  writeFileSync(path, new Uint8Array(bytes).fill(1));
  return { path, fd: openFile(path, 'r+') };
}

async function attach(backingFd: number, options: Partial<LoopOptions> = {}): Promise<LoopDevice> {
  const device = await addon().loopAttach({
    backingFd,
    backingName: 'diskferry-test',
    logicalBlockBytes: 512,
    readOnly: false,
    directIo: true,
    ...options,
  });
  releases.push(() => closeSync(device.fd));
  return device;
}

function loopAttribute(device: LoopDevice, name: string): string {
  return readFileSync(`/sys/block/${basename(device.path)}/loop/${name}`, 'utf8').trim();
}

/** The first byte of each page of a file. */
function pagesOf(path: string): number[] {
  const bytes = readFileSync(path);
  return Array.from({ length: bytes.length / pageBytes }, (_, page) => bytes[page * pageBytes] ?? -1);
}

describe.skipIf(!isRoot)('loop devices (need root)', () => {
  it.each([512, 4096])('have the block size %i, the size of the file, and direct I/O', async (blockBytes) => {
    const device = await attach(makeImage('image').fd, { logicalBlockBytes: blockBytes });
    expect(addon().blockGeometry(device.fd)).toMatchObject({
      sizeBytes: imageBytes,
      logicalBlockBytes: blockBytes,
      readOnly: false,
    });
    expect(loopAttribute(device, 'dio')).toBe('1');
  });

  it('have the size of the file to the sector', async () => {
    const device = await attach(makeImage('image', imageBytes + 3 * 512 + 100).fd);
    expect(addon().blockGeometry(device.fd).sizeBytes).toBe(imageBytes + 3 * 512);
  });

  it('carry what is written to them into the file', async () => {
    const image = makeImage('image');
    const device = await attach(image.fd);
    writeSync(device.fd, new Uint8Array(pageBytes).fill(7), 0, pageBytes, 2 * pageBytes);
    fsyncSync(device.fd);
    expect(pagesOf(image.path).slice(0, 4)).toEqual([1, 1, 7, 1]);
  });

  it('refuse writes when they are read-only', async () => {
    const device = await attach(makeImage('image').fd, { readOnly: true });
    expect(addon().blockGeometry(device.fd).readOnly).toBe(true);
    const fd = openFile(device.path, 'r+');
    expect(() => writeSync(fd, new Uint8Array(512))).toThrow(expect.objectContaining({ code: 'EPERM' }));
  });

  it('are writable although their number was write-protected for the file before', async () => {
    const before = await attach(makeImage('before').fd);
    releases.pop();
    execFileSync('blockdev', ['--setro', before.path]);
    closeSync(before.fd);
    // Mostly the same number again; where another process is quicker this shows nothing.
    const device = await attach(makeImage('image').fd);
    expect(addon().blockGeometry(device.fd).readOnly).toBe(false);
    execFileSync('blockdev', ['--setrw', before.path]);
  });

  it('are not made writable over a file that was opened for reading', async () => {
    const { path } = makeImage('image');
    await expect(attach(openFile(path, 'r'))).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining('read-only instead of'),
    });
  });

  it('are refused with a block size that is none', async () => {
    await expect(attach(makeImage('image').fd, { logicalBlockBytes: 1000 })).rejects.toMatchObject({
      code: 'EINVAL',
      syscall: 'ioctl(LOOP_CONFIGURE)',
    });
  });

  it('are each a different one when several are attached at the same time', async () => {
    const images = Array.from({ length: 8 }, (_, index) => makeImage(`image-${index}`));
    const devices = await Promise.all(images.map(({ fd }) => attach(fd)));
    expect(new Set(devices.map(({ path }) => path)).size).toBe(8);
  });

  it('are free again when the last who had them open has closed them', async () => {
    const { fd } = makeImage('image');
    const device = await attach(fd);
    releases.pop();
    closeSync(device.fd);
    expect(existsSync(`/sys/block/${basename(device.path)}/loop/backing_file`)).toBe(false);
  });

  it('are read as gone by who had opened their attribute just before', async () => {
    const device = await attach(makeImage('image').fd);
    const attribute = openFile(`/sys/block/${basename(device.path)}/loop/backing_file`, 'r');
    const opened = `/proc/self/fd/${attribute}`;
    expect(readAttribute(opened)).toBe(join(directory, 'image'));
    releases.pop();
    releases.pop();
    closeSync(device.fd);
    expect(() => readFileSync(opened)).toThrow('ENODEV');
    expect(readAttribute(opened)).toBeNull();
    closeSync(attribute);
  });

  it('keep their file when the caller closes it', async () => {
    const { path } = makeImage('image');
    const fd = openSync(path, 'r+');
    const attaching = attach(fd);
    closeSync(fd);
    expect(addon().blockGeometry((await attaching).fd).sizeBytes).toBe(imageBytes);
  });
});

describe.skipIf(!isRoot)('block ioctls (need root)', () => {
  it('zero exactly the range given', async () => {
    const image = makeImage('image');
    const device = await attach(image.fd);
    await addon().blockZeroOut(device.fd, pageBytes, 2 * pageBytes);
    fsyncSync(device.fd);
    expect(pagesOf(image.path).slice(0, 4)).toEqual([1, 0, 0, 1]);
  });

  it('discard exactly the range given, which frees its space in the file', async () => {
    const image = makeImage('image');
    const device = await attach(image.fd);
    fsyncSync(image.fd);
    const blocksBefore = fstatSync(image.fd).blocks;
    await addon().blockDiscard(device.fd, 8 * pageBytes, 32 * pageBytes);
    expect(fstatSync(image.fd).blocks).toBeLessThanOrEqual(blocksBefore - (32 * pageBytes) / 512);
    const expected = Array.from({ length: 64 }, (_, page) => (page >= 8 && page < 40 ? 0 : 1));
    expect(pagesOf(image.path)).toEqual(expected);
  });

  it('refuse a range that leaves the device', async () => {
    const device = await attach(makeImage('image').fd);
    await expect(addon().blockZeroOut(device.fd, imageBytes, 512)).rejects.toMatchObject({
      code: 'EINVAL',
      syscall: 'ioctl(BLKZEROOUT)',
    });
  });

  it('drop what the kernel had cached of the device', async () => {
    const image = makeImage('image');
    const device = await attach(image.fd);
    const page = new Uint8Array(pageBytes);
    readSync(device.fd, page, 0, pageBytes, 0);
    writeSync(image.fd, new Uint8Array(pageBytes).fill(9), 0, pageBytes, 0);
    fsyncSync(image.fd);
    readSync(device.fd, page, 0, pageBytes, 0);
    expect(page[0]).toBe(1);
    await addon().blockFlushBuffers(device.fd);
    readSync(device.fd, page, 0, pageBytes, 0);
    expect(page[0]).toBe(9);
  });

  it('say that a loop device without partitions has none to reread', async () => {
    const device = await attach(makeImage('image').fd);
    await expect(addon().blockRereadPartitions(device.fd)).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('tell the alignment that direct I/O needs', async () => {
    const device = await attach(makeImage('image').fd, { logicalBlockBytes: 4096 });
    expect([0, 4096]).toContain(addon().directIoAlignmentBytes(device.fd));
    const fifoLike = addon().eventFd();
    releases.push(() => closeSync(fifoLike));
    expect(addon().directIoAlignmentBytes(fifoLike)).toBe(0);
  });
});

describe.skipIf(!isRoot)('a FUSE mount (needs root)', () => {
  function mountOver(path: string): number {
    const fd = openFuse();
    releases.push(() => closeSync(fd));
    addon().fuseMount({ path, name: 'diskferry-test', maxReadBytes: 2 ** 20, deviceFd: fd });
    return fd;
  }

  function isMounted(path: string): boolean {
    return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);
  }

  it('covers a file until it is unmounted, and asks for the protocol first', () => {
    const { path } = makeImage('image');
    const fd = mountOver(path);
    expect(isMounted(path)).toBe(true);

    const pool = new BufferPool(4 * pageBytes, (view) => addon().misalignmentBytes(view));
    const ring = new Ring(pool);
    releases.push(() => ring.close());
    ring.readStream(fd, 3 * pageBytes, 0, 1);
    expect(ring.submitAndWait(1, 5_000_000)).toBe(1);
    expect(ring.completionResult(0)).toBe(fuseInit.headerBytes + fuseInit.bodyBytes);
    expect(pool.words[1]).toBe(fuseInit.opcode);

    addon().unmountDetach(path);
    expect(isMounted(path)).toBe(false);
    expect(pagesOf(path)[0]).toBe(1);
  });

  it('is refused over a path that does not exist', () => {
    const path = join(directory, 'missing');
    expect(() => mountOver(path)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'mount' }));
  });

  it('cannot be unmounted where there is none', () => {
    expect(() => addon().unmountDetach(makeImage('image').path)).toThrow(
      expect.objectContaining({ code: 'EINVAL', syscall: 'umount2' }),
    );
  });
});
