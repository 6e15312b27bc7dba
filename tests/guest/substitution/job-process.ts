/** Jobs, one after the other, in another process: its system calls can be made to fail without ours. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { DataPlace } from '../../../app/contract/advice.ts';
import type { JobEvent, JobEventName } from '../../../app/contract/events.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { bundledProgram } from '../../bundled-program.ts';
import type { Scratch } from '../../system/support/scratch.ts';
import { waitUntil } from '../../system/support/wait.ts';

export type JobOrder =
  | { readonly kind: 'start'; readonly plan: Plan; readonly directory: string; readonly name: string }
  | { readonly kind: 'cutOver' | 'undo' | 'resume' };

export type JobEnd =
  | { readonly kind: 'end'; readonly outcome: 'finished' | 'undone' }
  | {
      readonly kind: 'end';
      readonly outcome: 'failed';
      readonly code: string;
      readonly message: string;
      readonly dataIs: DataPlace;
    };

export type JobAnswer = { readonly kind: 'event'; readonly event: JobEvent } | JobEnd;

export class JobProcess {
  /** Of the job that was started last. */
  events: JobEvent[] = [];
  end: JobEnd | undefined;
  readonly #child: ChildProcess;

  static start(scratch: Scratch, environment: NodeJS.ProcessEnv): JobProcess {
    const child = fork(bundledProgram('tests/guest/substitution/job-program'), {
      env: { ...process.env, ...environment },
    });
    scratch.onRelease('the process of jobs', async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    });
    return new JobProcess(child);
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (answer: JobAnswer) => {
      if (answer.kind === 'event') this.events.push(answer.event);
      else this.end = answer;
    });
  }

  /** It waits at `synchronized` for the word to cut over. */
  startJob(job: { readonly plan: Plan; readonly directory: string; readonly name: string }): void {
    this.events = [];
    this.end = undefined;
    this.order({ kind: 'start', ...job });
  }

  order(order: JobOrder): void {
    this.#child.send(order);
  }

  count(name: JobEventName): number {
    return this.events.filter(({ event }) => event === name).length;
  }

  /** The event has been told, or the job has ended. */
  async reached(name: JobEventName): Promise<void> {
    await waitUntil(`the job tells "${name}"`, () => this.count(name) > 0 || this.end !== undefined);
  }
}
