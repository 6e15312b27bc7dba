/**
 * A job that this terminal has started, from its first event to its end: shown, and told to go back to the
 * source on Ctrl-C, a polite kill and a closed terminal, as far as the job allows.
 */
import type { JobEvent } from '../contract/events.ts';
import type { ExitCode } from '../contract/exit-codes.ts';
import { jobOf } from '../migration/job-channel.ts';
import { outliveFaults } from '../migration/outlive-faults.ts';
import type { SupervisedOrder } from '../migration/supervisor.ts';
import { Supervisor } from '../migration/supervisor.ts';
import { JobView } from './job-view.ts';
import { controlCommand } from './state-directory.ts';

export interface FollowOptions {
  readonly order: SupervisedOrder;
  readonly json: boolean;
  /** It waits when everything has crossed, and has been verified if that was asked for. */
  readonly hold: boolean;
  readonly verifies: boolean;
  readonly stateDirectory: string;
}

export async function followJob({ order, json, hold, verifies, stateDirectory }: FollowOptions): Promise<ExitCode> {
  const view = await JobView.open({ json });
  const stopOutliving = outliveFaults();
  const cutOver = controlCommand('cutover', jobOf(order), stateDirectory);
  const onEvent = (event: JobEvent): void => {
    view.show(event);
    if (event.event === (verifies ? 'verified' : 'synchronized') && hold) view.note(`It waits, in use, for "${cutOver}".`);
  };
  const supervisor = Supervisor.start({ order, onEvent });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const undo = (): void => supervisor.undo();
  for (const signal of signals) process.on(signal, undo);
  try {
    return view.end(await supervisor.ended());
  } finally {
    for (const signal of signals) process.off(signal, undo);
    stopOutliving();
  }
}
