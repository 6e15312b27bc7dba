/**
 * How a part of the tests has ended: how many passed, failed and were skipped, and of each failure its name
 * and the begin of its reason. Taken from Vitest's JSON report, or from what another runner printed; said in
 * one form by all runners, so that the one that runs everything can repeat what a guest has said.
 */
import * as z from 'zod';

export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  /** As `failureText` makes them. */
  readonly failures: string[];
  /** What failed in a guest and passed in another boot, as `unsteadyText` makes it: no failure, and not hidden. */
  readonly unsteady: string[];
}

/** What one file of tests has come to. */
export interface FileOutcome {
  readonly file: string;
  readonly outcome: Outcome;
}

/** Of the reason that a test gives. */
const reasonLinesMax = 12;
const failureForm = /^failed: .*(?:\n {2}.*)*/gm;
const unsteadyForm = /^unsteady: .*(?:\n {2}.*)*/gm;
const countsForm = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/;

const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          status: z.string(),
          fullName: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});

export function noOutcome(): Outcome {
  return { passed: 0, failed: 0, skipped: 0, failures: [], unsteady: [] };
}

export function failure(name: string, reason = ''): Outcome {
  return { ...noOutcome(), failed: 1, failures: [failureText(name, reason)] };
}

export function addOutcome(total: Outcome, part: Outcome): void {
  total.passed += part.passed;
  total.failed += part.failed;
  total.skipped += part.skipped;
  total.failures.push(...part.failures);
  total.unsteady.push(...part.unsteady);
}

/** The line that every runner ends with. */
export function countsText({ passed, failed, skipped }: Outcome): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/**
 * What Vitest reported as JSON and its exit code say; names what was skipped on the way. A file that cannot
 * be loaded is one failure, as is a run that ends badly without a failed test.
 */
export function readReport(title: string, report: string, exitCode: number): Outcome {
  return sumOf(title, readFiles(report), exitCode);
}

export function sumOf(title: string, files: readonly FileOutcome[], exitCode: number): Outcome {
  const outcome = noOutcome();
  for (const file of files) addOutcome(outcome, file.outcome);
  if (exitCode !== 0 && outcome.failed === 0) addOutcome(outcome, failure(title, `exit code ${exitCode}`));
  return outcome;
}

/** The same, file by file, without a word about the run as a whole. */
export function readFiles(report: string): FileOutcome[] {
  return reportSchema.parse(JSON.parse(report)).testResults.map((file) => {
    const outcome = noOutcome();
    for (const { status, fullName, failureMessages } of file.assertionResults) {
      if (status === 'passed') outcome.passed += 1;
      else if (status === 'failed') addOutcome(outcome, failure(fullName, failureMessages?.join('\n')));
      else {
        outcome.skipped += 1;
        console.log(`skipped: ${fullName}`);
      }
    }
    if (file.status === 'failed' && outcome.failed === 0) addOutcome(outcome, failure(file.name, file.message));
    return { file: file.name, outcome };
  });
}

/** Counts of `second` alone; what only `first`, an earlier run of the same, had failed with is unsteady. */
export function secondRun(first: Outcome, second: Outcome): Outcome {
  const failedAgain = new Set(second.failures.map(nameOf));
  const passed = first.failures.filter((text) => !failedAgain.has(nameOf(text)));
  return { ...second, unsteady: [...second.unsteady, ...passed.map(unsteadyText)] };
}

function nameOf(failureText: string): string {
  return failureText.split('\n', 1)[0] ?? '';
}

function unsteadyText(failureText: string): string {
  const [name = '', ...reason] = failureText.replace(/^failed: /, '').split('\n');
  return [`unsteady: ${name}`, '  passed at the second run; the first had said:', ...reason].join('\n');
}

/** What a runner printed whose last line counts, with or without what was skipped. */
export function readOutput(title: string, output: string, exitCode: number): Outcome {
  const counts = countsForm.exec(output);
  if (counts === null) return failure(title, `it ended without counting, with exit code ${exitCode}`);
  const [passed, failed, skipped] = [Number(counts[1]), Number(counts[2]), Number(counts[3] ?? 0)];
  const failures: string[] = output.match(failureForm) ?? [];
  const unsteady: string[] = output.match(unsteadyForm) ?? [];
  const outcome: Outcome = { passed, failed, skipped, failures, unsteady };
  if (exitCode !== 0 && failed === 0) addOutcome(outcome, failure(title, `exit code ${exitCode}`));
  else if (failed > 0 && failures.length === 0)
    failures.push(failureText(title, 'what it printed says more'));
  return outcome;
}

export function failureText(name: string, reason: string): string {
  const lines = reason.split('\n').filter((line) => line.trim() !== '');
  return [`failed: ${name}`, ...lines.slice(0, reasonLinesMax).map((line) => `  ${line}`)].join('\n');
}
