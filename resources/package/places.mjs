/** Where the package is put together, and where its parts will lie once it is installed. Paths end without a slash. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from '../setup/step.mjs';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const packageName = 'diskferry';

/** Tests have one of their own: what they make must not be taken for what is to be installed. */
const ownFolder = join(repository, 'build/package');
const folder = process.env.DISKFERRY_PACKAGE_FOLDER ?? ownFolder;
/** In a folder that was filled here before: another one may hold what nobody wants removed. */
const mark = '.made-by-diskferry';
export const staged = {
  folder,
  /** What becomes the app's asar. */
  app: join(folder, 'app'),
  /** All else, as it will lie below /. */
  root: join(folder, 'root'),
  /** Comes first on PATH while electron-builder runs. */
  bin: join(folder, 'bin'),
  /** What electron-builder makes. */
  out: join(folder, 'out'),
};

/** Starts from nothing, in a place of ours only. */
export function clearStaged() {
  const isOurs = folder === ownFolder || !existsSync(folder) || existsSync(join(folder, mark));
  if (!isOurs && readdirSync(folder).length > 0)
    throw new SetupError(`DISKFERRY_PACKAGE_FOLDER: ${folder} holds what was not made here, and all would be removed`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, mark), '');
}

/** Programs, addon and Node. Nobody but root may write there: root runs what is in it. */
export const programFolder = '/usr/lib/diskferry';
export const appFolder = '/opt/Diskferry';
