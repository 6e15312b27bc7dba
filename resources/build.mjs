/**
 * Builds the native addon (CMake), the programs and the wizard's page (esbuild) into build/. Each step leaves a stamp there with
 * the time at which it began, and is skipped while none of its inputs is newer. Uses only what Node itself
 * ships. Types are not checked here but by `npm run types`.
 */
import { randomUUID } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
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

/** What runs as a process or thread of its own; each lies at the same place below build/. */
const programs = [
  'app/cli/main.ts',
  'app/cli/demo/workload/process.ts',
  'app/cli/demo/workload/thread.ts',
  'app/engine/worker.ts',
  'app/migration/job-process.ts',
  'app/service/main.ts',
];

/** They find files of their own beside them. */
const unbundled = ['drivelist', 'node-sqlite3-wasm'];

/** For libraries that are CommonJS. */
const requireForModules =
  "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);";

/**
 * A program in a few files starts twice as fast as from the hundreds that it consists of, and a job starts
 * several programs. Names are kept as they are written, so that the stack of an error can be read.
 */
function bundle(root) {
  const [fresh, old] = [join(root, 'build/fresh'), join(root, 'build/old')];
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  const options = ['--bundle', '--splitting', '--platform=node', '--format=esm', '--target=node20'];
  const places = ['--outbase=.', '--outdir=build/fresh', '--chunk-names=app/chunks/[name]-[hash]', '--sourcemap'];
  const rest = [`--banner:js=${requireForModules}`, '--log-level=warning'];
  const outside = unbundled.map((name) => `--external:${name}`);
  const own = `--define:diskferryBuild=${JSON.stringify(randomUUID())}`;
  mustRun(join(root, 'node_modules/.bin/esbuild'), [...programs, ...options, ...places, ...rest, ...outside, own], {
    cwd: root,
  });
  // A service or a job that runs may start another program at any moment.
  const place = join(root, 'build/app');
  if (existsSync(place)) renameSync(place, old);
  renameSync(join(fresh, 'app'), place);
  for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
}

/** Hosts fill in the page's nonce when they serve it. */
function bundleWizard(root) {
  const folder = join(root, 'build/renderer');
  rmSync(folder, { recursive: true, force: true });
  const entries = ['wizard=renderer/main.tsx', 'wizard=renderer/styles/wizard.css'];
  const options = ['--bundle', '--format=esm', '--platform=browser', '--target=es2022', '--minify', '--jsx=automatic'];
  const rest = ['--define:process.env.NODE_ENV="production"', '--outdir=build/renderer', '--sourcemap=external'];
  const font = '--loader:.woff2=binary';
  mustRun(join(root, 'node_modules/.bin/esbuild'), [...entries, ...options, ...rest, font, '--log-level=warning'], {
    cwd: root,
  });
  copyFileSync(join(root, 'renderer/index.html'), join(folder, 'index.html'));
}

/** What CommonJS has instead of `import.meta.url`. */
const ownUrl = "const ownUrl = require('node:url').pathToFileURL(__filename).href;";

/** Electron's main process and preload, as CommonJS: a sandboxed preload can be nothing else. */
function bundleMain(root) {
  rmSync(join(root, 'build/main'), { recursive: true, force: true });
  const options = ['--bundle', '--format=cjs', '--platform=node', '--target=node22', '--out-extension:.js=.cjs'];
  const rest = ['--external:electron', '--outdir=build/main', '--sourcemap', '--log-level=warning'];
  const esbuild = join(root, 'node_modules/.bin/esbuild');
  const url = ['--define:import.meta.url=ownUrl', `--banner:js=${ownUrl}`];
  mustRun(esbuild, ['main=main/main.ts', ...options, ...rest, ...url], { cwd: root });
  mustRun(esbuild, ['preload=main/preload.ts', ...options, ...rest], { cwd: root });
}

export function build(root) {
  mkdirSync(join(root, 'build'), { recursive: true });
  step({ root, name: 'addon', inputs: ['native', 'package-lock.json'], run: () => buildAddon(root) });
  step({
    root,
    name: 'program',
    inputs: ['app', 'native', 'resources/build.mjs', 'package-lock.json'],
    run: () => bundle(root),
  });
  step({
    root,
    name: 'wizard',
    inputs: ['app/base', 'app/contract', 'renderer', 'resources/build.mjs', 'package-lock.json'],
    run: () => bundleWizard(root),
  });
  step({
    root,
    name: 'desktop-app',
    inputs: ['app/base', 'app/client', 'app/contract', 'main', 'resources/build.mjs', 'package-lock.json'],
    run: () => bundleMain(root),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runScript(() => build(dirname(dirname(fileURLToPath(import.meta.url)))));
}
