/**
 * The system's programs that the demo needs, each waited for. They run outside of the terminal's group, so
 * that Ctrl-C reaches only the demo, which then cleans up with more of them.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { DiskferryError } from '../../base/error.ts';

export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** People's PATH often lacks the folders of programs that only root runs. */
export function programEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LC_ALL: 'C',
    PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`,
  };
}

/** Whatever its exit code says. Throws only if the program cannot be run, or a signal ends it. */
export async function runProgram(program: string, parameters: readonly string[]): Promise<ProgramResult> {
  const child = spawn(program, parameters, {
    detached: true,
    env: programEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new DiskferryError('program-missing', `${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.once('close', (exitCode, signal) => {
      if (exitCode !== null) resolve(exitCode);
      else reject(new DiskferryError('command-failed', `${program} was ended by ${String(signal)}`));
    });
  });
  const [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { exitCode, stdout, stderr };
}

/** Must succeed. Returns what it printed. */
export async function mustRun(program: string, parameters: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, parameters);
  if (exitCode === 0) return stdout.trim();
  const command = [program, ...parameters].join(' ');
  const said = stderr.trim().split('\n').at(-1) ?? '';
  throw new DiskferryError(
    'command-failed',
    `${command} failed: ${said === '' ? `exit code ${exitCode}` : said}`,
  );
}
