/**
 * Run as another user (named-path.ts): opens the path that its only argument names as that user may, and says
 * what it opened, as one line of JSON. Nothing is created, and nothing but regular files is opened.
 */
import { closeSync, constants, fstatSync, openSync, realpathSync, statSync } from 'node:fs';
import { majorMinorOf } from '../devices/block-device.ts';

function look(path: string): object {
  const realPath = realpathSync(path);
  const named = statSync(realPath, { bigint: true });
  if (named.isBlockDevice()) return { kind: 'block', majorMinor: majorMinorOf(named.rdev) };
  if (!named.isFile()) return { kind: 'other' };
  const fd = openSync(realPath, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const opened = fstatSync(fd, { bigint: true });
    if (!opened.isFile()) return { kind: 'other' };
    return { kind: 'file', realPath, device: majorMinorOf(opened.dev), inode: Number(opened.ino) };
  } finally {
    closeSync(fd);
  }
}

try {
  process.stdout.write(JSON.stringify(look(process.argv[2] ?? '')));
} catch (error) {
  const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
  process.stdout.write(JSON.stringify({ kind: 'refused', code }));
}
