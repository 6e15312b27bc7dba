/**
 * Where the build has put a file of ours. The same code runs from its source (tests) and as a part of a
 * bundle, whose files lie at other depths below `build`. What lies above our own folder is somebody else's:
 * root must not run it.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Below `build`: what runs in a process or thread of its own, and what is not JavaScript. */
export type BuiltFile =
  | 'app/cli/main.js'
  | 'app/cli/demo/workload/process.js'
  | 'app/cli/demo/workload/thread.js'
  | 'app/engine/worker.js'
  | 'app/migration/job-process.js'
  | 'app/service/main.js'
  | 'renderer/index.html'
  | 'renderer/wizard.css'
  | 'renderer/wizard.js'
  | 'native/diskferry.node'
  | 'native/diskferry-watchdog'
  | 'native/diskferry-harden';

/** Its absolute path. Throws when nothing has been built. */
export function builtFile(name: BuiltFile): string {
  const path = join(buildFolder(fileURLToPath(import.meta.url)), name);
  if (!existsSync(path)) throw new Error(`${path} is not built: run "npm run build"`);
  return path;
}

/** For the file of a module of ours: the `build` that it lies in, or the one of its repository. */
export function buildFolder(modulePath: string): string {
  for (let folder = dirname(modulePath); folder !== dirname(folder); folder = dirname(folder)) {
    if (basename(folder) === 'build') return folder;
    if (existsSync(join(folder, 'package.json'))) return join(folder, 'build');
  }
  throw new Error(`${modulePath} lies neither in a build nor in a repository`);
}
