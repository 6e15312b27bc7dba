/** `diskferry completion`: what a shell needs to complete commands, options and their choices. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { bashCompletion, zshCompletion } from '../completion.ts';
import { makeProgram } from '../program.ts';

const writers = { bash: bashCompletion, zsh: zshCompletion } as const;
type Shell = keyof typeof writers;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print completions for a shell: source <(diskferry completion bash)')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(writers)))
    .action(async (shell: Shell) => {
      process.stdout.write(writers[shell](await makeProgram(undefined)));
    });
}
