/**
 * One step of setting up or building: says in one line what it does, runs a program quietly, and shows what
 * the program said only if it failed. All of it goes to stderr: the stdout of `npm run demo -- --json`
 * belongs to the job's events.
 */
import { spawnSync } from 'node:child_process';

/** Ends the script with a message instead of a stack trace. */
export class SetupError extends Error {}

export function say(line) {
  process.stderr.write(`diskferry: ${line}\n`);
}

/** Runs a program to its end; its input stays the terminal, because sudo may ask for a password. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, {
    stdio: ['inherit', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  });
  if (result.error !== undefined) throw new SetupError(`${program} cannot be run: ${result.error.message}`);
  return { succeeded: result.status === 0, output: `${result.stdout}${result.stderr}` };
}

/** Runs a program that must succeed. */
export function mustRun(program, args, options = {}) {
  const { succeeded, output } = run(program, args, options);
  if (succeeded) return;
  process.stderr.write(output);
  throw new SetupError(`${[program, ...args].join(' ')} failed; what it said is above`);
}

/** Runs a script's steps; a `SetupError` becomes one line and exit code 1. */
export function runScript(steps) {
  try {
    steps();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
