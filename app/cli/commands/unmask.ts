/** `diskferry unmask`: makes a disk that a job has hidden recognisable again. Says which, and what it is now. */
import type { Command } from 'commander';
import { unmask } from '../../migration/unmask.ts';
import { stateDirectoryOf } from '../state-directory.ts';

interface UnmaskOptions {
  readonly iKnowItIsStale?: boolean;
  readonly stateDir?: string;
  readonly json?: boolean;
}

export function addUnmaskCommand(program: Command): void {
  program
    .command('unmask')
    .description('make a disk recognisable again that a job has hidden, when no job has it any more')
    .argument('<disk>', 'the disk or image file')
    .option('--i-know-it-is-stale', 'also when it is an older copy, or one that is not whole')
    .option('--state-dir <path>', 'where jobs keep their state')
    .option('--json', 'one JSON object per line on stdout')
    .action(show);
}

async function show(path: string, options: UnmaskOptions): Promise<void> {
  const stateDirectory = stateDirectoryOf(options.stateDir);
  const done = await unmask({ path, stateDirectory, acceptsStale: options.iKnowItIsStale === true });
  if (options.json === true) process.stdout.write(`${JSON.stringify(done)}\n`);
  else process.stderr.write(`${path}: is recognised again (${done.types.join(', ')}); nothing else on it has changed.\n`);
}
