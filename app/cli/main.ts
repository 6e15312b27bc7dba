#!/usr/bin/env node
/**
 * The command line's entry: knows the commands, and turns whatever they throw into one line for people, one event for
 * programs, and the exit code of the contract (exit-codes.ts).
 */
import { Command, CommanderError } from 'commander';
import { exitCodes } from '../contract/exit-codes.ts';
import { addControlCommands } from './commands/control.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDevicesCommand } from './commands/devices.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addPlanCommand } from './commands/plan.ts';
import { watchOutput } from './output.ts';
import { reportError } from './report-error.ts';

function makeProgram(): Command {
  const program = new Command('diskferry')
    .description('Moves a disk or volume to a new disk while it stays in use.')
    .version('0.1.0')
    .showHelpAfterError('(add --help for help)')
    .exitOverride();
  addDevicesCommand(program);
  addPlanCommand(program);
  addMigrateCommand(program);
  addControlCommands(program);
  addDemoCommand(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}

watchOutput();

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  else process.exitCode = reportError(error, { json: process.argv.includes('--json') });
}
