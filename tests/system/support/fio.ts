/**
 * Runs fio with the jobs of a job file, and once more in verify-only mode, which repeats the same random
 * sequence without writing. Each job has a range of its own, because fio only knows what it wrote itself.
 */
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod';
import { runProgram } from '../../../app/devices/program.ts';
import type { Scratch } from './scratch.ts';

export interface FioJob {
  readonly name: string;
  /** As in a job file: `rw`, `offset`, `size`, … */
  readonly options: Readonly<Record<string, string | number>>;
}

const common = {
  direct: 1,
  ioengine: 'libaio',
  iodepth: 32,
  randrepeat: 1,
  allrandrepeat: 1,
  verify_state_save: 0,
  verify_fatal: 1,
};

const direction = z.object({ io_bytes: z.number(), total_ios: z.number() });
const resultSchema = z.object({
  jobs: z.array(
    z.object({ jobname: z.string(), error: z.number(), read: direction, write: direction, trim: direction }),
  ),
});
export type FioJobResult = z.infer<typeof resultSchema>['jobs'][number];

/**
 * Throws with fio's words when it found an error. In verify-only mode leave `verify_backlog` out: fio 3.33
 * then skips.
 */
export async function runFio(
  scratch: Scratch,
  devicePath: string,
  jobs: readonly FioJob[],
  ...parameters: readonly string[]
): Promise<FioJobResult[]> {
  const jobFile = scratch.path(`${basename(devicePath)}.fio`);
  writeFileSync(jobFile, jobFileText(devicePath, jobs));
  const { exitCode, stdout, stderr } = await runProgram('fio', [
    jobFile,
    '--output-format=json',
    ...parameters,
  ]);
  if (exitCode !== 0) throw new Error(`fio on ${devicePath}: exit code ${exitCode}: ${stderr}`);
  const results = resultSchema.parse(JSON.parse(stdout.slice(stdout.indexOf('{')))).jobs;
  const failed = results.filter(({ error }) => error !== 0);
  if (failed.length > 0)
    throw new Error(`fio on ${devicePath}: errors in ${JSON.stringify(failed)}: ${stderr}`);
  return results;
}

function jobFileText(devicePath: string, jobs: readonly FioJob[]): string {
  const section = (name: string, options: FioJob['options']): string =>
    [`[${name}]`, ...Object.entries(options).map(([key, value]) => `${key}=${value}`), ''].join('\n');
  return [
    section('global', { filename: devicePath, ...common }),
    ...jobs.map(({ name, options }) => section(name, options)),
  ].join('\n');
}
