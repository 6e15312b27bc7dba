/**
 * What uses the volume and must stand still while the virtual device is put in place or taken away: systemd
 * units, or a pair of commands, as the person asked for. Stopped in the order given, started in reverse, and
 * a stop that fails part-way starts again what it had stopped. A start that fails leaves none of the others stopped.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bothOf, DiskferryError } from '../base/error.ts';
import { runCommand } from '../devices/command.ts';
import { inOwnSession } from '../devices/own-session.ts';
import { builtFile } from '../base/built-file.ts';

export interface UsersToStop {
  /** systemd units. */
  readonly units: readonly string[];
  /** Run by /bin/sh -c, and waited for. */
  readonly stopCommand?: string | undefined;
  readonly startCommand?: string | undefined;
}

interface Step {
  readonly stop: () => Promise<unknown>;
  readonly start: () => Promise<unknown>;
  /**
   * A stop or start that failed may have done some of it: it is stopped before, and started with, the next.
   */
  state: 'running' | 'stopped' | 'unclear';
}

export class Users {
  readonly #steps: readonly Step[];

  /** `state`: how they are now. */
  constructor(users: UsersToStop, state: 'running' | 'stopped' = 'running') {
    const steps: Step[] = users.units.map((unit) => ({
      stop: () => runCommand('systemctl', ['stop', unit], `stopping ${unit}`),
      start: () => runCommand('systemctl', ['start', unit], `starting ${unit}`),
      state,
    }));
    const { stopCommand, startCommand } = users;
    if (stopCommand !== undefined || startCommand !== undefined) {
      steps.push({
        stop: () => runShell(stopCommand, 'the stop command'),
        start: () => runShell(startCommand, 'the start command'),
        state,
      });
    }
    this.#steps = steps;
  }

  async stop(): Promise<void> {
    for (const step of this.#steps.filter(({ state }) => state !== 'stopped')) {
      step.state = 'unclear';
      await step.stop();
      step.state = 'stopped';
    }
  }

  /** Tries all of them; throws with all that failed. */
  async start(): Promise<void> {
    const failures: unknown[] = [];
    for (const step of this.#steps.filter(({ state }) => state !== 'running').reverse()) {
      step.state = 'unclear';
      try {
        await step.start();
        step.state = 'running';
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures.reduce(bothOf);
  }
}

/**
 * What the command says goes to where our own words go, and only the shell is waited for: a daemon that it
 * leaves behind keeps its output, and must neither hold us up nor die when we end.
 */
async function runShell(command: string | undefined, what: string): Promise<void> {
  if (command === undefined) return;
  // What serves the volume is spared when memory is short; what uses it is not.
  const parameters = ['off', '/bin/sh', '-c', command];
  const harden = builtFile('native/diskferry-harden');
  const shell = inOwnSession((own) => spawn(harden, parameters, { ...own, stdio: ['ignore', 2, 2] }));
  const [exitCode, signal] = (await once(shell, 'exit')) as [number | null, NodeJS.Signals | null];
  if (exitCode === 0) return;
  const end = exitCode === null ? `ended by ${String(signal)}` : `exit code ${exitCode}`;
  throw new DiskferryError('command-failed', `${what} failed: ${end}`, { context: { command } });
}
