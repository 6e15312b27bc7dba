/**
 * Run as another user (named-path.ts): says where the path leads that its only argument names, as that user may
 * follow it, as one line of JSON. Nothing is created or opened.
 */
import { statSync } from 'node:fs';
import { majorMinorOf } from '../devices/block-device.ts';

function look(path: string): object {
  const named = statSync(path, { bigint: true });
  if (named.isBlockDevice()) return { kind: 'block', majorMinor: majorMinorOf(named.rdev) };
  return { kind: named.isFile() ? 'file' : 'other' };
}

try {
  process.stdout.write(JSON.stringify(look(process.argv[2] ?? '')));
} catch (error) {
  const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
  process.stdout.write(JSON.stringify({ kind: 'refused', code }));
}
