#!/usr/bin/env node
/**
 * The command line's entry: knows the commands, and turns whatever they throw into one line for people, one
 * event for programs, and the exit code of the contract (exit-codes.ts).
 *
 * Only the command that is asked for is loaded. All together take half as long again to start, which a person
 * notices on a slow machine.
 */
import { Command, CommanderError } from 'commander';
import { DiskferryError } from '../base/error.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { watchOutput } from './output.ts';
import { reportError } from './report-error.ts';

type AddCommands = (program: Command) => void;

interface Family {
  /** First words on the command line for which nothing else is needed. */
  readonly words: readonly string[];
  readonly load: () => Promise<AddCommands>;
}

/** In the order of the help. */
const families: readonly Family[] = [
  { words: ['devices'], load: async () => (await import('./commands/devices.ts')).addDevicesCommand },
  { words: ['plan'], load: async () => (await import('./commands/plan.ts')).addPlanCommand },
  { words: ['migrate'], load: async () => (await import('./commands/migrate.ts')).addMigrateCommand },
  { words: ['watch'], load: async () => (await import('./commands/watch.ts')).addWatchCommand },
  {
    words: ['status', 'pause', 'resume', 'speed', 'cutover', 'undo'],
    load: async () => (await import('./commands/control.ts')).addControlCommands,
  },
  { words: ['demo'], load: async () => (await import('./commands/demo.ts')).addDemoCommand },
];

/** All of them where the first word is no command: for help, and to say what is wrong. */
async function loadCommands(word: string | undefined): Promise<AddCommands[]> {
  const asked = families.filter(({ words }) => words.some((known) => known === word));
  return Promise.all((asked.length > 0 ? asked : families).map(({ load }) => load()));
}

async function makeProgram(): Promise<Command> {
  const program = new Command('diskferry')
    .description('Moves a disk or volume to a new disk while it stays in use.')
    .version('0.1.0')
    // What is wrong with a command is said like everything else that is wrong: in one line, and as an event.
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  for (const add of await loadCommands(process.argv[2])) add(program);
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
  await (await makeProgram()).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
