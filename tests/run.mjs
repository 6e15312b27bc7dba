/**
 * `npm test` and `npm run test:soak`: every kind of test, one after the other, and one line at the end that counts
 * them all. A part that fails does not keep the others from running. Vitest's parts are counted by test, the
 * simulation by seed, lint and types by run. Each skipped test is named with what was missing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const isSoak = process.argv.includes('--soak');
const reports = mkdtempSync(join(tmpdir(), 'diskferry-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };

/** Runs a program with its output shown; resolves to its exit code and what it printed on stdout. */
function run(program, parameters) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
      process.stdout.write(data);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** One check that passes or fails as a whole. */
async function runCheck(program, parameters) {
  const { code } = await run(program, parameters);
  return code === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** A program whose last line is `N passed, N failed`, and `, N skipped` where it can skip. */
async function runCounted(program, parameters) {
  const { code, output } = await run(program, parameters);
  const counts = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(output);
  if (counts === null) return { passed: 0, failed: 1, skipped: 0 };
  const [passed, failed, skipped] = counts.slice(1).map((count) => Number(count ?? 0));
  return { passed, failed: Math.max(failed, code === 0 ? 0 : 1), skipped };
}

/** A vitest project. A file that cannot even be loaded counts as one failure. */
async function runVitest(project, asRoot = []) {
  const file = join(reports, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const [program, ...parameters] = [...asRoot, 'npx', 'vitest', 'run', '--project', project, ...reporters];
  const { code } = await run(program, parameters);
  const report = JSON.parse(readFileSync(file, 'utf8'));
  for (const suite of report.testResults) {
    for (const test of suite.assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed')) {
      process.stdout.write(`skipped: ${test.fullName}\n`);
    }
  }
  const { numPassedTests: passed, numFailedTests, numPendingTests, numTodoTests } = report;
  const failed = Math.max(numFailedTests, code === 0 ? 0 : 1);
  return { passed, failed, skipped: numPendingTests + numTodoTests };
}

/** Real devices need root; elsewhere sudo asks for it, once and after saying why. */
function rootPrefix() {
  if (process.getuid() === 0) return [];
  process.stdout.write('The system and guest tests make loop devices, mounts and guests of their own, which needs root.\n');
  return ['sudo', '--preserve-env=PATH'];
}

/** Root only for the QEMU guest's view of the host's files. */
function guestTests() {
  const [program, ...parameters] = [...rootPrefix(), 'npm', 'run', '--silent', 'test:guest'];
  return [program, parameters];
}

const seeds = (count) => runCounted('npm', ['run', '--silent', 'test:sim', '--', '--seeds', String(count)]);

const everyTime = [
  ['lint', () => runCheck('npx', ['eslint', '.'])],
  ['types', () => runCheck('npx', ['tsc', '--build'])],
  ['unit tests', () => runVitest('unit')],
  ['simulation', () => seeds(500)],
  ['mutants', () => runCounted('npm', ['run', '--silent', 'test:mutants'])],
  ['system tests', () => runVitest('system', rootPrefix())],
  ['guest tests', () => runCounted(...guestTests())],
];
const soak = [['simulation', () => seeds(10_000)]];

for (const [title, part] of isSoak ? soak : everyTime) {
  const startMs = performance.now();
  process.stdout.write(`\n── ${title}\n`);
  const counts = await part();
  for (const key of Object.keys(total)) total[key] += counts[key];
  const { passed, failed, skipped } = counts;
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(`── ${title}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s\n`);
}
rmSync(reports, { recursive: true });
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
