/**
 * `npm run dist`: builds, and makes a deb of it below build/package/out. `-- --dir`: only the desktop app as a
 * folder; other options go to electron-builder. Where Electron comes from says resources/package/electron.mjs.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build } from './build.mjs';
import { electronFolder } from './package/electron.mjs';
import { repository, staged } from './package/places.mjs';
import { stage } from './package/stage.mjs';
import { runScript, say, SetupError } from './setup/step.mjs';

/** What electron-builder finds as `fpm`. */
function placeFpm() {
  mkdirSync(staged.bin, { recursive: true });
  const program = join(staged.bin, 'fpm');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(repository, 'resources/package/fpm.mjs')}' "$@"\n`);
  chmodSync(program, 0o755);
}

function electronBuilder(parameters) {
  const program = join(repository, 'node_modules/electron-builder/cli.js');
  const config = ['--config', 'electron-builder.config.mjs'];
  const env = { ...process.env, USE_SYSTEM_FPM: 'true', PATH: `${staged.bin}${delimiter}${process.env.PATH ?? ''}` };
  const { status } = spawnSync(process.execPath, [program, ...config, ...parameters], { cwd: repository, env, stdio: 'inherit' });
  if (status !== 0) throw new SetupError('electron-builder failed; what it said is above');
}

/** Node and addon are of this machine: in a package for another one nothing would run. */
function refuseForeign(given) {
  const foreign = given.find((word) => {
    const [, asked] = /^(?:--|.*:)(x64|ia32|armv7l|arm64|universal)$/.exec(word) ?? [];
    return asked !== undefined && asked !== process.arch;
  });
  if (foreign !== undefined) throw new SetupError(`${foreign}: a package is made on a machine of its own kind, and this one is ${process.arch}`);
}

runScript(() => {
  const given = process.argv.slice(2);
  refuseForeign(given);
  // Where somebody has a package made elsewhere, tests may run beside it by what is built.
  if (process.env.DISKFERRY_PACKAGE_FOLDER === undefined) build(repository);
  stage();
  placeFpm();
  if (electronFolder() === undefined) say("Electron's program is not here: electron-builder fetches it, unless ELECTRON_PATH names one");
  const isDir = given.includes('--dir');
  electronBuilder(['--linux', isDir ? 'dir' : 'deb', ...given.filter((word) => word !== '--dir')]);
});
