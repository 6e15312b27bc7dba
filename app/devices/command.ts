/**
 * Runs a program of the system that must succeed. When it does not, the error carries what the program said
 * last, in words: `operation` names what it was for.
 */
import { DiskferryError } from '../base/error.ts';
import { runProgram } from './program.ts';

/** mount(8) says why in the first of two lines; more than a few would hide the point. */
const saidLinesMax = 3;

/** Returns what it printed on stdout. */
export async function runCommand(
  program: string,
  parameters: readonly string[],
  operation: string,
): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, parameters);
  if (exitCode === 0) return stdout;
  const said = stderr
    .trim()
    .split(/\s*\n\s*/)
    .slice(-saidLinesMax)
    .join(' ');
  const command = [program, ...parameters].join(' ');
  throw new DiskferryError(
    'command-failed',
    `${operation} failed: ${said === '' ? `exit code ${exitCode}` : said}`,
    {
      context: { command, exitCode },
    },
  );
}
