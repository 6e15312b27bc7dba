/**
 * `npm test` and `npm run test:soak`: every kind of test, and one line at the end that counts them all. A
 * part that fails does not keep the others from running. Vitest's parts are counted by test, the simulation
 * by seed, lint and types by run, a guest that cannot be booted as one skipped. Each skipped test is named
 * with what was missing, each failed one again at the end with its reason, because of a long run often only
 * the end is kept.
 *
 * The parts run one after the other; the guests beside them and beside each other, because each has one
 * processor only and takes the longest. What they print is shown when they have ended.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GuestName } from './guest/guest-kind.ts';
import { addOutcome, countsText, failure, noOutcome, readOutput, readReport } from './outcome.ts';
import type { Outcome } from './outcome.ts';

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly complaints: string;
}

interface Part {
  readonly title: string;
  readonly act: () => Promise<Outcome>;
}

const isSoak = process.argv.includes('--soak');
const reports = mkdtempSync(join(tmpdir(), 'diskferry-tests-'));

/** Runs a program. What it prints is shown as it comes, or else by the caller. */
function run(command: readonly string[], { isShown = true } = {}): Promise<Ended> {
  const [program = '', ...parameters] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', isShown ? 'inherit' : 'pipe'] });
    let [output, complaints] = ['', ''];
    child.stdout?.on('data', (data: Buffer) => {
      output += data.toString();
      if (isShown) process.stdout.write(data);
    });
    child.stderr?.on('data', (data: Buffer) => (complaints += data.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output, complaints }));
  });
}

/** Passes or fails as a whole. */
async function runCheck(...command: string[]): Promise<Outcome> {
  const { code, output } = await run(command);
  return code === 0 ? { ...noOutcome(), passed: 1 } : failure(command.join(' '), output);
}

/** A program whose last line counts. */
async function runCounted(...command: string[]): Promise<Outcome> {
  const { output, code } = await run(command);
  return readOutput(command.join(' '), output, code);
}

async function runVitest(
  project: string,
  { asRoot = [] as string[], files = [] as string[] } = {},
): Promise<Outcome> {
  const file = join(reports, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const { code } = await run([
    ...asRoot,
    'npx',
    'vitest',
    'run',
    '--project',
    project,
    ...reporters,
    ...files,
  ]);
  if (!existsSync(file)) return failure(project, `vitest made no report and ended with exit code ${code}`);
  return readReport(project, readFileSync(file, 'utf8'), code);
}

/** Elsewhere than as root sudo asks for it, once and after saying why. */
function rootPrefix(why: string): string[] {
  if (process.getuid?.() === 0) return [];
  process.stdout.write(`${why}, which needs root.\n`);
  return ['sudo', '--preserve-env=PATH,DISKFERRY_SOAK'];
}

function runSystemTests(files: string[]): Promise<Outcome> {
  const asRoot = rootPrefix('The system tests make loop devices and mounts of their own');
  return runVitest('system', { asRoot, files });
}

/** Each boots once and runs all its tests, one after the other. Returns what waits for them. */
function startGuests(...kinds: GuestName[]): Part {
  const asRoot = rootPrefix("The guests read this system's files through a server of their own");
  const command = [...asRoot, 'npx', 'tsx', 'tests/guest/run.ts', '--seconds', '1800'];
  const started = run([...command, ...kinds.flatMap((kind) => ['--guest', kind])], { isShown: false });
  const title = `guest tests: ${kinds.join(', ')}`;
  const act = async (): Promise<Outcome> => {
    const { output, complaints, code } = await started;
    process.stdout.write(output);
    process.stderr.write(complaints);
    return readOutput(title, output, code);
  };
  return { title, act };
}

function runSeeds(count: number): Promise<Outcome> {
  return runCounted('npm', 'run', '--silent', 'test:sim', '--', '--seeds', String(count));
}

function everyTime(): Part[] {
  const guests = [startGuests('user-mode-linux'), startGuests('qemu', 'systemd')];
  return [
    { title: 'lint', act: () => runCheck('npx', 'eslint', '.') },
    { title: 'types', act: () => runCheck('npx', 'tsc', '--build') },
    { title: 'unit tests', act: () => runVitest('unit') },
    { title: 'simulation', act: () => runSeeds(500) },
    { title: 'mutants', act: () => runCounted('npm', 'run', '--silent', 'test:mutants') },
    { title: 'system tests', act: () => runSystemTests([]) },
    ...guests,
  ];
}

/** Those that count, with the full counts (tests/system/support/soak.ts). */
const countedSystemTests = ['hot-path', 'chaos'].map((name) => `tests/system/${name}.test.ts`);
const soak: Part[] = [
  { title: 'simulation', act: () => runSeeds(10_000) },
  { title: 'system tests', act: () => runSystemTests(countedSystemTests) },
];

async function runAll(parts: readonly Part[]): Promise<Outcome> {
  const total = noOutcome();
  for (const { title, act } of parts) {
    const startMs = performance.now();
    process.stdout.write(`\n── ${title}\n`);
    const outcome = await act();
    addOutcome(total, outcome);
    const seconds = Math.round((performance.now() - startMs) / 1000);
    process.stdout.write(`── ${title}: ${countsText(outcome)} in ${seconds} s\n`);
  }
  return total;
}

if (isSoak) process.env['DISKFERRY_SOAK'] = '1';
const total = await runAll(isSoak ? soak : everyTime());
rmSync(reports, { recursive: true });
for (const text of total.failures) process.stdout.write(`\n${text}\n`);
process.stdout.write(`\n${countsText(total)}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
