/** Where Electron's program is: ELECTRON_PATH names it, else the package `electron` has fetched it. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repository } from './places.mjs';

/** The folder with it and its libraries; undefined where there is none. */
export function electronFolder() {
  const fetched = join(repository, 'node_modules/electron/dist/electron');
  const program = process.env.ELECTRON_PATH ?? (existsSync(fetched) ? fetched : undefined);
  return program === undefined ? undefined : dirname(program);
}
