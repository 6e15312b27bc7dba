#!/usr/bin/env node
/**
 * The command line's entry: knows the commands, and turns whatever they throw into one line for people, one
 * event for programs, and the exit code of the contract (exit-codes.ts).
 */
import { Command, CommanderError } from 'commander';
import { DiskferryError } from '../base/error.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { addControlCommands } from './commands/control.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDevicesCommand } from './commands/devices.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addWatchCommand } from './commands/watch.ts';
import { watchOutput } from './output.ts';
import { reportError } from './report-error.ts';

function makeProgram(): Command {
  const program = new Command('diskferry')
    .description('Moves a disk or volume to a new disk while it stays in use.')
    .version('0.1.0')
    // What is wrong with a command is said like everything else that is wrong: in one line, and as an event.
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  addDevicesCommand(program);
  addPlanCommand(program);
  addMigrateCommand(program);
  addWatchCommand(program);
  addControlCommands(program);
  addDemoCommand(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}

/** Undefined when help or the version was shown, as it was asked for or for want of a command. */
function usageError({ code, exitCode, message }: CommanderError): DiskferryError | undefined {
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
  await makeProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
