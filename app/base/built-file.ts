/**
 * Where the build has put a file of ours. The same code runs from its source (tests) and as a part of a
 * bundle, whose files lie at other depths; so the nearest folder above it that has the file is the right one.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Below `build`: what runs in a process or thread of its own, and what is not JavaScript. */
export type BuiltFile =
  | 'app/cli/main.js'
  | 'app/cli/demo/workload/process.js'
  | 'app/cli/demo/workload/thread.js'
  | 'app/engine/worker.js'
  | 'app/migration/job-process.js'
  | 'app/service/look-as-user.js'
  | 'native/diskferry.node'
  | 'native/diskferry-watchdog'
  | 'native/diskferry-harden';

/** Its absolute path. Throws when nothing has been built. */
export function builtFile(name: BuiltFile): string {
  const here = fileURLToPath(import.meta.url);
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    const path = join(folder, 'build', name);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) throw new Error(`${name} is not built: run "npm run build" (looked above ${here})`);
  }
}
