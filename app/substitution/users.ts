/**
 * What uses the volume and must stand still while the virtual device is put in place or taken away: systemd units, or
 * a pair of commands, as the person asked for. Stopped in the order given, started in reverse, and a stop
 * that fails part-way starts again what it had stopped.
 */
import { runCommand } from '../devices/command.ts';

export interface UsersToStop {
  /** systemd units. */
  readonly units: readonly string[];
  /** Run by /bin/sh -c, and waited for. */
  readonly stopCommand?: string | undefined;
  readonly startCommand?: string | undefined;
}

type Step = { readonly stop: () => Promise<unknown>; readonly start: () => Promise<unknown> };

export class Users {
  readonly #steps: readonly Step[];
  /** How many of the steps are stopped at the moment. */
  #stopped = 0;

  constructor(users: UsersToStop) {
    const steps: Step[] = users.units.map((unit) => ({
      stop: () => runCommand('systemctl', ['stop', unit], `stopping ${unit}`),
      start: () => runCommand('systemctl', ['start', unit], `starting ${unit}`),
    }));
    const { stopCommand, startCommand } = users;
    if (stopCommand !== undefined || startCommand !== undefined) {
      steps.push({
        stop: () => runShell(stopCommand, 'the stop command'),
        start: () => runShell(startCommand, 'the start command'),
      });
    }
    this.#steps = steps;
  }

  async stop(): Promise<void> {
    for (const step of this.#steps.slice(this.#stopped)) {
      await step.stop();
      this.#stopped += 1;
    }
  }

  async start(): Promise<void> {
    for (const step of this.#steps.slice(0, this.#stopped).reverse()) {
      await step.start();
      this.#stopped -= 1;
    }
  }
}

async function runShell(command: string | undefined, what: string): Promise<void> {
  if (command !== undefined) await runCommand('/bin/sh', ['-c', command], what);
}
