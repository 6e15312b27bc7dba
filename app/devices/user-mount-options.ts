/**
 * Mount options that the kernel does not know: `_netdev`, `user=NAME`, `x-systemd.…`. mount(8) keeps them in
 * books of its own (/run/mount/utab, private to libmount), so it is findmnt(8) that is asked.
 */
import * as z from 'zod';
import { runCommand } from './command.ts';

const findmntSchema = z.object({
  filesystems: z.array(
    z.object({
      id: z.number(),
      options: z.string().nullable(),
      'vfs-options': z.string().nullable(),
      'fs-options': z.string().nullable(),
    }),
  ),
});

/** By the mount's id. */
export async function readUserOptions(): Promise<Map<number, readonly string[]>> {
  const columns = ['--output', 'ID,OPTIONS,VFS-OPTIONS,FS-OPTIONS'];
  return parseUserOptions(
    await runCommand('findmnt', ['--mtab', '--list', '--json', ...columns], 'listing mounts'),
  );
}

/** What is left of a mount's options without the kernel's. */
export function parseUserOptions(json: string): Map<number, readonly string[]> {
  return new Map(
    findmntSchema.parse(JSON.parse(json)).filesystems.map((mount) => {
      const kernel = [...split(mount['vfs-options']), ...split(mount['fs-options'])];
      return [mount.id, split(mount.options).filter((option) => !kernel.includes(option))];
    }),
  );
}

function split(options: string | null): string[] {
  return options === null ? [] : options.split(',');
}
