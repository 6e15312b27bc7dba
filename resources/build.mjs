/**
 * Builds the native addon (CMake) and the JavaScript (tsc) into build/. Each step leaves a stamp there with
 * the time at which it began, and is skipped while none of its inputs is newer. Uses only what Node itself
 * ships.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun, runScript, say } from './setup/step.mjs';

/** Times of a path and of all below it. Folders count: they tell that a file was deleted or renamed. */
function* modificationTimesMs(path) {
  const status = lstatSync(path);
  yield status.mtimeMs;
  if (!status.isDirectory()) return;
  for (const name of readdirSync(path)) yield* modificationTimesMs(join(path, name));
}

function isUpToDate(stamp, inputs) {
  if (!existsSync(stamp)) return false;
  const builtMs = lstatSync(stamp).mtimeMs;
  return inputs.every((input) => [...modificationTimesMs(input)].every((timeMs) => timeMs < builtMs));
}

function step({ root, name, inputs, run }) {
  const stamp = join(root, `build/${name}.stamp`);
  if (
    isUpToDate(
      stamp,
      inputs.map((input) => join(root, input)),
    )
  )
    return;
  const began = new Date();
  say(`building the ${name}`);
  run();
  writeFileSync(stamp, '');
  utimesSync(stamp, began, began);
}

/** CMake refuses a build folder that was configured elsewhere, as after the repository was moved. */
function removeForeignConfiguration(folder, source) {
  const cache = join(folder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const isOurs = readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${source}\n`);
  if (!isOurs) rmSync(folder, { recursive: true });
}

function buildAddon(root) {
  const source = join(root, 'native');
  const folder = join(root, 'build/cmake');
  removeForeignConfiguration(folder, source);
  mustRun('cmake', ['-S', source, '-B', folder]);
  mustRun('cmake', ['--build', folder, '--parallel', String(availableParallelism())]);
}

function compile(root) {
  mustRun(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '--build', 'app/cli', 'app/service'],
    { cwd: root },
  );
}

export function build(root) {
  mkdirSync(join(root, 'build'), { recursive: true });
  step({ root, name: 'addon', inputs: ['native', 'package-lock.json'], run: () => buildAddon(root) });
  step({
    root,
    name: 'program',
    inputs: ['app', 'native', 'tests', 'tsconfig.json', 'tsconfig.base.json', 'package-lock.json'],
    run: () => compile(root),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runScript(() => build(dirname(dirname(fileURLToPath(import.meta.url)))));
}
