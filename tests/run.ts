/**
 * `npm test` and `npm run test:soak`: every kind of test, and one line at the end that counts them all. A
 * part that fails does not keep the others from running. Vitest's parts are counted by test, the simulation
 * by seed, lint and types by run, a guest that cannot be booted as one skipped. Each skipped test is named
 * with what was missing, each failed one again at the end with its reason, because of a long run often only
 * the end is kept; so is what passed in a guest at the second run only.
 *
 * Parts run side by side, one per processor and at least two at once, the longest first, so that the end does
 * not wait for one of them alone. More at once makes what is emulated so slow that it fails. Beside them run,
 * one after the other, those to which time means nothing, for what the others leave of the processors (nice).
 * What a part prints is shown whole when it has ended.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GuestName } from './guest/guest-kind.ts';
import { addOutcome, countsText, failure, noOutcome, readOutput, readReport } from './outcome.ts';
import type { Outcome } from './outcome.ts';

interface Ended {
  readonly code: number;
  /** All that it printed. */
  readonly output: string;
}

/** What a part prints, kept until it has ended. */
type Show = (text: string) => void;

interface Part {
  readonly title: string;
  /** It may take long: nothing in it waits for a time. Its command is begun by `patiently`. */
  readonly isPatient?: boolean;
  readonly act: (show: Show) => Promise<Outcome>;
}

const partsAtOnce = Math.min(Math.max(2, availableParallelism()), 4);
/** Longer than any of them takes; a guest that hangs is switched off then. */
const guestSecondsMax = 4200;

const isSoak = process.argv.includes('--soak');
const reports = mkdtempSync(join(tmpdir(), 'diskferry-tests-'));

function run(show: Show, command: readonly string[]): Promise<Ended> {
  const [program = '', ...parameters] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        show(text);
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Passes or fails as a whole. */
async function runCheck(show: Show, ...command: string[]): Promise<Outcome> {
  const { code, output } = await run(show, command);
  return code === 0 ? { ...noOutcome(), passed: 1 } : failure(command.join(' '), output);
}

/** A program whose last line counts. */
async function runCounted(show: Show, title: string, command: readonly string[]): Promise<Outcome> {
  const { output, code } = await run(show, command);
  return readOutput(title, output, code);
}

interface VitestOptions {
  readonly asRoot?: readonly string[];
  readonly files?: readonly string[];
}

async function runVitest(
  show: Show,
  project: string,
  { asRoot = [], files = [] }: VitestOptions = {},
): Promise<Outcome> {
  const file = join(reports, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const command = [...asRoot, 'npx', 'vitest', 'run', '--project', project, ...reporters, ...files];
  const { code } = await run(show, command);
  if (!existsSync(file)) return failure(project, `vitest made no report and ended with exit code ${code}`);
  return readReport(project, readFileSync(file, 'utf8'), code);
}

/** Elsewhere than as root sudo asks for it, once and after saying why. */
function rootPrefix(why: string): string[] {
  if (process.getuid?.() === 0) return [];
  process.stdout.write(`${why}, which needs root.\n`);
  return ['sudo', '--preserve-env=PATH,DISKFERRY_SOAK'];
}

function systemTests(files: readonly string[] = []): Part {
  const asRoot = rootPrefix('The system tests make loop devices and mounts of their own');
  return { title: 'system tests', act: (show) => runVitest(show, 'system', { asRoot, files }) };
}

/** One after the other: loop devices belong to the whole machine. */
function loopDiskTests(): Part {
  const system = systemTests();
  const asRoot = rootPrefix('The tests of the wizard make loop devices of their own');
  const act = async (show: Show): Promise<Outcome> => {
    const total = await system.act(show);
    addOutcome(total, await runVitest(show, 'ui', { asRoot }));
    return total;
  };
  return { title: 'system and wizard tests', act };
}

/** Boots once and runs all its tests, one after the other. */
function guest(kind: GuestName): Part {
  const asRoot = rootPrefix("The guests read this system's files through a server of their own");
  const title = `guest tests: ${kind}`;
  const options = ['--seconds', String(guestSecondsMax), '--guest', kind];
  const command = [...asRoot, 'npx', 'tsx', 'tests/guest/run.ts', ...options];
  return { title, act: (show) => runCounted(show, title, command) };
}

const patiently = ['nice', '-n', '19'];

function seeds(count: number): Part {
  const command = [...patiently, 'npm', 'run', '--silent', 'test:sim', '--', '--seeds', String(count)];
  return { title: 'simulation', isPatient: true, act: (show) => runCounted(show, 'simulation', command) };
}

function check(title: string, ...command: string[]): Part {
  return { title, isPatient: true, act: (show) => runCheck(show, ...patiently, ...command) };
}

function everyTime(): Part[] {
  const mutants = [...patiently, 'npm', 'run', '--silent', 'test:mutants', '--', '--at-once', '1'];
  return [
    guest('user-mode-linux'),
    guest('qemu'),
    loopDiskTests(),
    guest('systemd'),
    guest('reset'),
    { title: 'unit tests', act: (show) => runVitest(show, 'unit') },
    check('types', 'npx', 'tsc', '--build'),
    check('lint', 'npx', 'eslint', '.'),
    seeds(500),
    { title: 'mutants', isPatient: true, act: (show) => runCounted(show, 'mutants', mutants) },
  ];
}

/** Those that count, with the full counts (tests/system/support/soak.ts). */
const countedSystemTests = ['hot-path', 'chaos'].map((name) => `tests/system/${name}.test.ts`);

const countedWizardTests = ['tests/ui/quick-progress.test.ts'];

function soak(): Part[] {
  const asRoot = rootPrefix('The tests of the wizard make jobs of their own');
  const wizard: Part = { title: 'the wizard', act: (show) => runVitest(show, 'ui', { asRoot, files: countedWizardTests }) };
  return [seeds(10_000), systemTests(countedSystemTests), wizard];
}

async function runPart({ title, act }: Part): Promise<Outcome> {
  const startMs = performance.now();
  process.stdout.write(`── ${title}: begins\n`);
  let shown = '';
  const outcome = await act((text) => (shown += text));
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(`\n── ${title}\n${shown}── ${title}: ${countsText(outcome)} in ${seconds} s\n`);
  return outcome;
}

async function runAll(parts: readonly Part[]): Promise<Outcome> {
  const total = noOutcome();
  const work = async (waiting: Part[]): Promise<void> => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift())
      addOutcome(total, await runPart(part));
  };
  const inTime = parts.filter(({ isPatient }) => isPatient !== true);
  const patient = parts.filter(({ isPatient }) => isPatient === true);
  await Promise.all([...Array.from({ length: partsAtOnce }, () => work(inTime)), work(patient)]);
  return total;
}

if (isSoak) process.env['DISKFERRY_SOAK'] = '1';
const total = await runAll(isSoak ? soak() : everyTime());
rmSync(reports, { recursive: true });
for (const text of [...total.unsteady, ...total.failures]) process.stdout.write(`\n${text}\n`);
process.stdout.write(`\n${countsText(total)}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
