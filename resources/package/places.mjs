/** Where the package is put together, and where its parts will lie once it is installed. Paths end without a slash. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const packageName = 'diskferry';

/** Tests have one of their own: what they make must not be taken for what is to be installed. */
const folder = process.env.DISKFERRY_PACKAGE_FOLDER ?? join(repository, 'build/package');
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

/** Programs, addon and Node. Nobody but root may write there: root runs what is in it. */
export const programFolder = '/usr/lib/diskferry';
export const appFolder = '/opt/Diskferry';
