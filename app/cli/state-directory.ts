/**
 * Where jobs keep their state: `--state-dir`, DISKFERRY_STATE_DIR, or the system's place. And how a command
 * has to be typed that is meant for a job with its state there.
 */
import { resolve } from 'node:path';
import { setVariable } from '../base/set-variable.ts';

export const systemStateDirectory = '/var/lib/diskferry';

export function stateDirectoryOf(option: string | undefined): string {
  return resolve(namedStateDirectory(option) ?? systemStateDirectory);
}

/** Undefined where nobody has named one. */
export function namedStateDirectory(option: string | undefined): string | undefined {
  return option ?? setVariable('DISKFERRY_STATE_DIR');
}

/** Works in any terminal, also where DISKFERRY_STATE_DIR is not set: sudo takes it away. */
export function controlCommand(name: string, job: string, stateDirectory: string): string {
  const command = `diskferry ${name} ${job}`;
  return stateDirectory === systemStateDirectory
    ? command
    : `${command} --state-dir ${quoteForShell(stateDirectory)}`;
}

function quoteForShell(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
