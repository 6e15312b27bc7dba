/**
 * The demo's handle on its workload: a process of its own with several writers, readers and a database on the
 * volume (workload/process.ts). Stopped and started by two shell commands, as a service would be: the same
 * that the migration is given.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtFile } from '../../base/built-file.ts';
import { BugError, DiskferryError } from '../../base/error.ts';
import type { Phase } from './acknowledged.ts';
import { mustRun, programEnvironment } from './programs.ts';
import type { WorkloadFigures } from './workload/cells.ts';
import type { SwitchPosition, WorkloadMessage, WorkloadSetting } from './workload/setting.ts';
import { stateName, wishName } from './workload/setting.ts';

const switchName = 'switch';

/** What the process tells comes beside the switch's answer, and on a busy machine after it. */
const hearMsMax = 30_000;
const hearPollMs = 5;

/**
 * A workload that has ended uses nothing: then there is nothing to wait for. That it has ended is for the
 * demo to find out; a migration that goes back must not be held up by it.
 */
const switchScript = (pid: number): string => `# Stops or starts the demo's workload: sh switch stop|start
cd "$(dirname "$0")" || exit 1
echo "$1" >${wishName}
until [ "$(cat ${stateName})" = "$1" ]; do
  kill -0 ${pid} 2>/dev/null || exit 0
  sleep 0.01
done
`;

export class Workload {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #devices = new Map<Phase, string>();
  #figures: WorkloadFigures | undefined;

  /** Its actors stand still until `start`. `onFailure` is called when it ends by itself. */
  static async make(setting: WorkloadSetting, onFailure: (error: Error) => void): Promise<Workload> {
    await writeFile(join(setting.directory, wishName), 'stop');
    await writeFile(join(setting.directory, stateName), '');
    const child = fork(builtFile('app/cli/demo/workload/process.js'), [JSON.stringify(setting)], {
      detached: true,
      env: programEnvironment(),
    });
    await once(child, 'spawn');
    if (child.pid === undefined) throw new BugError('a process that was spawned has a number');
    await writeFile(join(setting.directory, switchName), switchScript(child.pid));
    return new Workload(child, setting.directory, onFailure);
  }

  private constructor(child: ChildProcess, directory: string, onFailure: (error: Error) => void) {
    this.#child = child;
    this.#directory = directory;
    child.on('message', (message: WorkloadMessage) => {
      if (message.kind === 'running') this.#devices.set(message.phase, message.device);
      if (message.kind === 'stopped') this.#figures = message.figures;
      if (message.kind === 'failed') onFailure(failureOf(message.message));
    });
    child.once('exit', (exitCode, signal) =>
      onFailure(failureOf(`its process has ended: ${signal ?? exitCode}`)),
    );
  }

  get stopCommand(): string {
    return this.#command('stop');
  }

  get startCommand(): string {
    return this.#command('start');
  }

  /**
   * Which device carries the volume in a phase that has begun, as the workload itself has found it; undefined
   * when it has not found out.
   */
  deviceIn(phase: Phase): Promise<string | undefined> {
    return this.#heard(() => this.#devices.get(phase));
  }

  async start(): Promise<void> {
    await mustRun('sh', ['-c', this.startCommand]);
  }

  /** Returns when every file on the volume is closed. */
  async stop(): Promise<WorkloadFigures> {
    this.#figures = undefined;
    await mustRun('sh', ['-c', this.stopCommand]);
    const figures = await this.#heard(() => this.#figures);
    if (figures === undefined) throw failureOf('it has stopped and does not tell what it did');
    return figures;
  }

  /** Ends the process, whatever it is doing. */
  async end(): Promise<void> {
    this.#child.removeAllListeners('exit');
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async #heard<T>(find: () => T | undefined): Promise<T | undefined> {
    const deadlineMs = performance.now() + hearMsMax;
    for (let found = find(); ; found = find()) {
      if (found !== undefined || this.#hasEnded || performance.now() > deadlineMs) return found;
      await sleep(hearPollMs);
    }
  }

  #command(position: SwitchPosition): string {
    return `sh ${quoteForShell(join(this.#directory, switchName))} ${position}`;
  }
}

export function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function failureOf(message: string): DiskferryError {
  return new DiskferryError('demo-failed', `the workload found that something is wrong: ${message}`);
}
