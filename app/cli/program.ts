/**
 * All commands of the command line, as commander knows them: what is parsed, what help says, and what the man page and
 * the shells' completions are made from.
 *
 * Only the command that is asked for is loaded. All together take half as long again to start, which a person
 * notices on a slow machine.
 */
import { Command } from 'commander';
import { version } from '../migration/version.ts';

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
  { words: ['start'], load: async () => (await import('./commands/start.ts')).addStartCommand },
  { words: ['recover'], load: async () => (await import('./commands/recover.ts')).addRecoverCommand },
  { words: ['watch'], load: async () => (await import('./commands/watch.ts')).addWatchCommand },
  {
    words: [
      ...['status', 'pause', 'resume', 'retry', 'accept-unreadable'],
      ...['speed', 'verify', 'cutover', 'undo'],
    ],
    load: async () => (await import('./commands/control.ts')).addControlCommands,
  },
  { words: ['grow'], load: async () => (await import('./commands/grow.ts')).addGrowCommand },
  { words: ['report'], load: async () => (await import('./commands/report.ts')).addReportCommand },
  { words: ['retire'], load: async () => (await import('./commands/retire.ts')).addRetireCommand },
  { words: ['unmask'], load: async () => (await import('./commands/unmask.ts')).addUnmaskCommand },
  {
    words: ['completion'],
    load: async () => (await import('./commands/completion.ts')).addCompletionCommand,
  },
  { words: ['serve'], load: async () => (await import('./commands/serve.ts')).addServeCommand },
  { words: ['demo'], load: async () => (await import('./commands/demo.ts')).addDemoCommand },
];

/** All of them where the first word is no command: for help, and to say what is wrong. */
async function loadCommands(word: string | undefined): Promise<AddCommands[]> {
  const asked = families.filter(({ words }) => words.some((known) => known === word));
  return Promise.all((asked.length > 0 ? asked : families).map(({ load }) => load()));
}

/** `word`: the first one on the command line; undefined for all commands. */
export async function makeProgram(word: string | undefined): Promise<Command> {
  const program = new Command('diskferry')
    .description('Moves a disk or volume to a new disk while it stays in use.')
    .version(version)
    // What is wrong with a command is said like everything else that is wrong: in one line, and as an event.
    .configureOutput({ outputError: () => {} })
    .exitOverride();
  for (const add of await loadCommands(word)) add(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}
