/**
 * A job as one terminal sees it: every event as it comes, for people or for programs, and the exit code that
 * the last one stands for. The same for who started the job and for who watches it later.
 */
import type { JobEvent } from '../contract/events.ts';
import { exitCodes } from '../contract/exit-codes.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import type { LastEvent } from '../migration/event-log.ts';
import type { EventView } from './event-view.ts';
import { makeEventView } from './event-view.ts';
import { reportFailure } from './report-error.ts';

export class JobView {
  readonly #view: EventView;
  readonly #json: boolean;

  static async open({ json }: { readonly json: boolean }): Promise<JobView> {
    return new JobView(await makeEventView(process.stderr, json), json);
  }

  private constructor(view: EventView, json: boolean) {
    this.#view = view;
    this.#json = json;
  }

  /** The failure is shown at the end: it stands below everything else. */
  show(event: JobEvent): void {
    if (event.event === 'failed') return;
    this.#view.handle(event);
    if (event.event !== 'planned') return;
    // With `--yes` nobody has read the plan.
    const { job, timeMs, plan } = event;
    for (const { code, message } of plan.warnings)
      this.#view.handle({ event: 'warning', job, timeMs, code, message });
  }

  /** Something for people that is no event. */
  note(text: string): void {
    this.#view.note(text);
  }

  end(last: LastEvent): ExitCode {
    this.#view.close();
    if (last.event === 'failed') return reportFailure(last, { json: this.#json });
    return last.event === 'finished' ? exitCodes.done : exitCodes.undone;
  }

  close(): void {
    this.#view.close();
  }
}
