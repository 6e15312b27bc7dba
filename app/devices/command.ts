/**
 * Runs a program of the system to its end: no shell, the C locale, output collected up to a bound. A program
 * that is not installed and one that fails are different errors, because the advice differs.
 */
import { execFile } from 'node:child_process';
import { DiskferryError } from '../base/error.ts';
import { mebibyte } from '../base/units.ts';

const outputBytesMax = 64 * mebibyte;

/** Returns what it printed on stdout. `operation` names what it was for, for the error's message. */
export function runCommand(file: string, argumentList: readonly string[], operation: string): Promise<string> {
  const options = { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: outputBytesMax };
  return new Promise((resolve, reject) => {
    execFile(file, argumentList, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.code === 'ENOENT') {
        reject(new DiskferryError('program-missing', `${operation}: the program ${file} is not installed`, { cause: error }));
      } else {
        const said = stderr.trim().split('\n').at(-1) ?? '';
        const message = `${operation} failed: ${said === '' ? error.message : said}`;
        reject(new DiskferryError('command-failed', message, { context: { command: [file, ...argumentList].join(' ') }, cause: error }));
      }
    });
  });
}
