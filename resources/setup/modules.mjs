/**
 * Installs the npm packages of package-lock.json when node_modules holds others or none. npm writes what it
 * has installed to node_modules/.package-lock.json; versions are compared, not times, which a checkout
 * changes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, say } from './step.mjs';

function packagesIn(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
}

/** Optional packages may be missing: most are for other systems. */
function areInstalled(root) {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = packagesIn(installedFile);
  const projectItself = '';
  return Object.entries(packagesIn(join(root, 'package-lock.json')))
    .filter(([path]) => path !== projectItself)
    .every(([path, { version, optional }]) => optional === true || installed[path]?.version === version);
}

export function installModules(root) {
  if (areInstalled(root)) return;
  say('installing npm packages');
  mustRun('npm', ['ci'], { cwd: root });
}
