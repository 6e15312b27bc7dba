/** `--state-dir`, the same for every command that has it: `.option(...stateDirectoryOption)`. */
import { InvalidArgumentError } from 'commander';

export const stateDirectoryOption = [
  '--state-dir <path>',
  'where jobs keep their state (default: DISKFERRY_STATE_DIR or /var/lib/diskferry)',
  named,
] as const;

/** What a variable that is not set leaves on a command line would be the current directory. */
export function named(path: string): string {
  if (path === '') throw new InvalidArgumentError('It is empty.');
  return path;
}
