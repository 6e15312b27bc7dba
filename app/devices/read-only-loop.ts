/**
 * A second way to a disk for programs that insist on claiming what they look at (O_EXCL): while a job has
 * claimed the disk they would be refused. They get a loop device over it, which nobody has claimed and which
 * is read-only. It goes by an open descriptor, so it lies on that very disk, and the kernel takes it away at
 * its last close.
 */
import { close } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { addon } from '../../native/binding.ts';

/** The last close detaches the device, which may take a moment. */
const closeDevice = promisify(close);

/** As root. `path` leads to a block device; `use` gets the path of the loop device over it. */
export async function withReadOnlyLoop<T>(path: string, use: (loop: string) => Promise<T>): Promise<T> {
  const backing = await open(path, 'r');
  try {
    const { logicalBlockBytes } = addon().blockGeometry(backing.fd);
    const shape = { backingName: path, logicalBlockBytes, readOnly: true, directIo: false };
    const loop = await addon().loopAttach({ backingFd: backing.fd, ...shape });
    try {
      return await use(loop.path);
    } finally {
      await closeDevice(loop.fd);
    }
  } finally {
    await backing.close();
  }
}
