/**
 * Programs of the tests that run as processes of their own, each in one file: from their sources they take
 * longer to start than many tests last, above all in a guest.
 */
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const directory = join(root, 'build/test-programs');

const programs = [
  'tests/bench/our-device',
  'tests/guest/substitution/job-program',
  'tests/guest/substitution/suspender',
  'tests/system/support/nbd-server',
] as const;

type TestProgram = (typeof programs)[number];

/** Where `bundlePrograms` has put it. */
export function bundledProgram(program: TestProgram): string {
  return join(directory, `${program}.js`);
}

export async function bundlePrograms(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: programs.map((program) => `${program}.ts`),
    outbase: '.',
    outdir: directory,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['drivelist', 'node-sqlite3-wasm'],
    logLevel: 'warning',
  });
}

/** What Vitest calls before the system tests; a guest finds what its host has bundled (tests/guest/run.ts). */
export default bundlePrograms;
