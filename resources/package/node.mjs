/**
 * The Node that the package carries, because distributions have older ones: the binary that npm's package `node` stands
 * for, of one version and compared with its checksum here. It is no dependency of package.json, for it is three times as
 * large as all others and only who makes packages, or tests them, needs it. Kept in the user's cache directory.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mustRun, say, SetupError } from '../setup/step.mjs';

export const nodeVersion = '24.22.3';

/** Of the archives of node-linux-ARCHITECTURE. */
const sha512 = {
  x64: 'KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
  arm64: 'IZx0J52/1NDwAsY2iyWR9nlPIYuYviTWetjj8+ElvYQh2+XRhLfCfkbFEF/2O5vGI2hcUbyPNHV+nz342FbJXw==',
};

function fetchInto(scratch, name) {
  say(`fetching Node ${nodeVersion} for the package`);
  mustRun('npm', ['pack', `${name}@${nodeVersion}`, '--pack-destination', scratch, '--silent'], { cwd: scratch });
  const [archive] = readdirSync(scratch).filter((file) => file.endsWith('.tgz'));
  if (archive === undefined) throw new SetupError(`npm has fetched no archive of ${name}`);
  const path = join(scratch, archive);
  const found = createHash('sha512').update(readFileSync(path)).digest('base64');
  if (found !== sha512[process.arch]) throw new SetupError(`${name}@${nodeVersion}: its checksum is ${found}`);
  const parts = ['package/bin/node', 'package/LICENSE'];
  mustRun('tar', ['-xzf', path, '-C', scratch, '--strip-components=1', ...parts]);
  rmSync(path);
}

/** A folder with `bin/node` and its LICENSE. */
export function packagedNode() {
  if (!Object.hasOwn(sha512, process.arch)) throw new SetupError(`there is no package for ${process.arch}`);
  const name = `node-linux-${process.arch}`;
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'diskferry', 'packaged-node');
  const folder = join(cache, `${nodeVersion}-${process.arch}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'fetching-'));
  try {
    fetchInto(scratch, name);
    // In one step: nobody must ever see half of it.
    renameSync(scratch, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return folder;
}
