/** `diskferry unmask`: makes a disk that a job has hidden recognisable again. Says which, and what it is now. */
import type { Command } from 'commander';
import type { Unmasked } from '../../migration/unmask.ts';
import { unmask } from '../../migration/unmask.ts';
import { stateDirectoryOf } from '../state-directory.ts';
import { stateDirectoryOption } from '../state-option.ts';

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
    .option(...stateDirectoryOption)
    .option('--json', 'one JSON object per line on stdout')
    .action(show);
}

async function show(path: string, options: UnmaskOptions): Promise<void> {
  const stateDirectory = stateDirectoryOf(options.stateDir);
  const done = await unmask({ path, stateDirectory, acceptsStale: options.iKnowItIsStale === true });
  if (options.json === true) process.stdout.write(`${JSON.stringify(done)}\n`);
  else for (const line of linesOf(done)) process.stderr.write(`${line}\n`);
}

/** For people. */
export function linesOf({ device, types, recognisedBy, warnings }: Unmasked): string[] {
  const what = types.join(', ');
  const success =
    recognisedBy.length > 0
      ? `${device}: is recognised again (${what}); nothing else on it has changed.`
      : `${device}: shows again what was hidden (${what}), but no program here recognises the disk by it.`;
  return [success, ...warnings.map((warning) => `${device}: ${warning}.`)];
}
