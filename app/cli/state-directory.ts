/**
 * Where jobs keep their state: `--state-dir`, DISKFERRY_STATE_DIR, or the system's place. And how a command
 * has to be typed that is meant for a job with its state there.
 */
import { resolve } from 'node:path';

export const systemStateDirectory = '/var/lib/diskferry';

export function stateDirectoryOf(option: string | undefined): string {
  return resolve(option ?? process.env['DISKFERRY_STATE_DIR'] ?? systemStateDirectory);
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
