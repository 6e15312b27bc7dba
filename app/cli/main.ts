#!/usr/bin/env node
/**
 * The command line's entry: parses what was typed, and turns whatever they throw into one line for people, one
 * event for programs, and the exit code of the contract (exit-codes.ts).
 */
import { CommanderError } from 'commander';
import { DiskferryError } from '../base/error.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { watchOutput } from './output.ts';
import { makeProgram } from './program.ts';
import { reportError } from './report-error.ts';

/** Undefined when help or the version was shown, as it was asked for or for want of a command. */
function usageError({ code, exitCode, message }: CommanderError): DiskferryError | undefined {
  const [, , first, second] = process.argv;
  if (code === 'commander.help' && first === 'help' && second !== undefined)
    return new DiskferryError('usage', `unknown command '${second}'`);
  if (exitCode === 0 || code === 'commander.help') return undefined;
  const text = message.replace(/^error: /, '').replace("command-argument value '", "'");
  return new DiskferryError('usage', text.replaceAll('\n', ' '));
}

function report(error: unknown): ExitCode {
  const said = error instanceof CommanderError ? usageError(error) : error;
  if (said !== undefined) return reportError(said, { json: process.argv.includes('--json') });
  return error instanceof CommanderError && error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
}

watchOutput();

try {
  await (await makeProgram(process.argv[2])).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
