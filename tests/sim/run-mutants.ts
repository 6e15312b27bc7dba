/**
 * Shows that the simulation can fail: each patch in mutants/ breaks the code under test in one way, and seeds
 * are run against a patched copy until one fails. npm run test:mutants -- [--seeds N] [--at-once N] [NAME…]
 *
 * killers.json names the seed that caught each mutant last; it is tried first, and all from the first on only
 * when it catches nothing any more: code that changes uses up other random numbers. `--record` writes it anew.
 *
 * Fails if a mutant survives, if a patch no longer applies, or if the copy fails without any patch. The tree
 * itself is never touched: copies lie in a temporary folder, with node_modules by link.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import * as z from 'zod';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const copied = ['app', 'tests/sim', 'package.json'];
/** A mutant that hangs has not been caught: the simulation must notice what never ends. */
const runMsMax = 300_000;
const controlSeeds = 25;
const bundleName = 'simulation.mjs';

interface Ended {
  readonly exitCode: number;
  readonly output: string;
}

interface Verdict {
  readonly isGood: boolean;
  readonly text: string;
  /** Of the seed that caught it. */
  readonly killer?: number;
}

interface Seeds {
  readonly first: number;
  readonly count: number;
}

function run(file: string, args: readonly string[], folder: string): Promise<Ended> {
  // No repository is looked for above the copy: git would take the patch's paths from its root.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(folder) };
  return new Promise((resolve) => {
    execFile(file, args, { cwd: folder, env, timeout: runMsMax }, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ exitCode, output: stdout + stderr });
    });
  });
}

async function inCopy<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-mutant-'));
  try {
    for (const path of copied) await cp(join(root, path), join(folder, path), { recursive: true });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** One file of it all starts several times as fast, which counts where most mutants die of one seed. */
async function bundle(folder: string): Promise<void> {
  await build({
    absWorkingDir: folder,
    entryPoints: ['tests/sim/run.ts'],
    outfile: join(folder, bundleName),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
}

function runSeeds(folder: string, { first, count }: Seeds): Promise<Ended> {
  const which = ['--first-seed', String(first), '--seeds', String(count)];
  return run(process.execPath, [bundleName, ...which, '--stop-at-failure'], folder);
}

async function tryMutant(patch: string, killer: number | undefined): Promise<Verdict> {
  return inCopy(async (folder) => {
    const applied = await run('git', ['apply', patch], folder);
    if (applied.exitCode !== 0)
      return { isGood: false, text: `the patch does not apply: ${applied.output.trim()}` };
    await bundle(folder);
    const known = killer === undefined ? undefined : await trySeeds(folder, { first: killer, count: 1 });
    return known?.isGood === true ? known : trySeeds(folder, { first: 1, count: Number(values.seeds) });
  });
}

async function trySeeds(folder: string, seeds: Seeds): Promise<Verdict> {
  const { exitCode, output } = await runSeeds(folder, seeds);
  const [, seed, why] = /^seed (\d+) failed: (.*)$/m.exec(output) ?? [];
  if (exitCode === 1 && seed !== undefined)
    return { isGood: true, text: `caught by seed ${seed}: ${why ?? ''}`, killer: Number(seed) };
  if (exitCode === 0) return { isGood: false, text: `survived ${seeds.count} seeds` };
  return { isGood: false, text: `did not run to an end: ${output.trim().slice(0, 2000)}` };
}

async function tryControl(): Promise<Verdict> {
  return inCopy(async (folder) => {
    await bundle(folder);
    const { exitCode, output } = await runSeeds(folder, { first: 1, count: controlSeeds });
    if (exitCode === 0) return { isGood: true, text: `passes ${controlSeeds} seeds` };
    return { isGood: false, text: `fails: ${output.trim().slice(0, 2000)}` };
  });
}

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2500' },
    record: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: String(availableParallelism()) },
  },
  allowPositionals: true,
});
const folder = join(here, 'mutants');
const patches = (await readdir(folder)).filter((name) => name.endsWith('.patch')).sort();
const names = patches.map((file) => basename(file, '.patch'));
const chosen = positionals.length === 0 ? names : names.filter((name) => positionals.includes(name));
const killersFile = join(folder, 'killers.json');
const killers = new Map(
  Object.entries(z.record(z.string(), z.int().positive()).parse(JSON.parse(await readFile(killersFile, 'utf8')))),
);
const tasks: (readonly [string, () => Promise<Verdict>])[] = [
  ['without a patch', tryControl],
  ...chosen.map(
    (name) => [name, () => tryMutant(join(folder, `${name}.patch`), killers.get(name))] as const,
  ),
];
let good = 0;
let bad = 0;

/** Takes tasks until none is left. */
async function work(): Promise<void> {
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
    const [name, attempt] = task;
    const { isGood, text, killer } = await attempt();
    if (killer !== undefined) killers.set(name, killer);
    if (isGood) good += 1;
    else bad += 1;
    console.log(`${isGood ? 'ok    ' : 'FAILED'} ${name}: ${text}`);
  }
}

await Promise.all(Array.from({ length: Number(values['at-once']) }, work));
if (values.record) {
  const known = [...killers].filter(([name]) => names.includes(name)).sort(([a], [b]) => a.localeCompare(b));
  await writeFile(killersFile, `${JSON.stringify(Object.fromEntries(known), undefined, 2)}\n`);
}
console.log(`${good} passed, ${bad} failed`);
if (bad > 0) process.exitCode = 1;
