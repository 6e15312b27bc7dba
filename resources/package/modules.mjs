/** What is not in the bundles, because it finds files of its own beside it. Of each only what runs comes along. */
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './places.mjs';

/** With what they load; tests/unit/resources/modules.test.ts has them load it. */
const modules = ['drivelist', 'bindings', 'file-uri-to-path', 'node-sqlite3-wasm'];
/** Asked of whole paths, but only their ends count. Makefiles name the folders of whoever has built. */
const isForDevelopers =
  /\.(map|ts|h|cc|cpp|mm|gyp|gypi|nix|a|ar-file-list|o|d|mk|yml|npmignore)$|Makefile$|\/tsconfig\.json$|\/(obj\.target|src|test|node-addon-api|\.deps)$/;

export function isNeeded(path) {
  return !isForDevelopers.test(path);
}

/** Into `folder`/node_modules. */
export function stageModules(folder) {
  for (const name of modules) {
    const from = join(repository, 'node_modules', name);
    // drivelist is optional: where it could not be compiled, its vote is missing and people are told.
    if (!existsSync(from)) continue;
    cpSync(from, join(folder, 'node_modules', name), { recursive: true, dereference: true, filter: isNeeded });
  }
}
