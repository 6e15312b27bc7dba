/**
 * `diskferry demo`: runs the play (play.ts), takes down everything that it has put up, and only then says how
 * it ended. Ctrl-C and failures end the play early, at any step, and lead to the same clean end.
 */
import { DiskferryError, messageOf } from '../../base/error.ts';
import { ReleaseStack } from '../../base/release.ts';
import { mebibyte } from '../../base/units.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import type { Speed } from '../../contract/plan.ts';
import { formatBytes } from '../format.ts';
import { makeEventView } from '../event-view.ts';
import type { EventView } from '../event-view.ts';
import { reportError } from '../report-error.ts';
import type { DemoFinished } from './play.ts';
import { play } from './play.ts';
import { reportText } from './report.ts';
import { StopSignal } from './stop-signal.ts';

export interface DemoOptions {
  readonly json: boolean;
  /** `auto` or the name of one. */
  readonly frontend: string;
  readonly speed: Speed;
  /** Of the source. */
  readonly sizeBytes: number;
}

/** What the workload writes needs its room besides the files. */
const sizeBytesMin = 64 * mebibyte;

export async function runDemo(options: DemoOptions): Promise<ExitCode> {
  if (options.sizeBytes < sizeBytesMin) {
    throw new DiskferryError('usage', `the demo's disk cannot be smaller than ${formatBytes(sizeBytesMin)}`);
  }
  if (process.geteuid?.() !== 0) {
    throw new DiskferryError('not-root', 'the demo makes loop devices and mounts a volume, which needs root');
  }
  const view = await makeEventView(process.stdout, options.json);
  const stop = new StopSignal((text) => view.note(text));
  stop.listen();
  try {
    const finished = await playAndClear(options, view, stop);
    if (options.json) view.handle(finished);
    view.note(
      `The volume has moved while it was in use, and nothing was lost:\n${reportText(finished.report)}`,
    );
    return exitCodes.done;
  } catch (error) {
    view.close();
    // Whatever has happened, it has happened to disks that the demo had made.
    return reportError(error, { json: options.json, job: 'demo', dataIs: 'untouched' });
  } finally {
    view.close();
    stop.close();
  }
}

async function playAndClear(options: DemoOptions, view: EventView, stop: StopSignal): Promise<DemoFinished> {
  const held = new ReleaseStack();
  const { frontend, speed, sizeBytes } = options;
  try {
    const finished = await play({ frontend, speed, sizeBytes, view, stop, held });
    await clear(held);
    return finished;
  } catch (error) {
    const cause = stop.cause(error);
    view.note('Stopping, and taking everything down.');
    await clear(held).catch((left: unknown) => view.note(messageOf(left)));
    throw cause;
  }
}

async function clear(held: ReleaseStack): Promise<void> {
  try {
    await held.releaseAll();
  } catch (cause) {
    throw new DiskferryError('command-failed', `the demo has left something behind: ${messageOf(cause)}`, {
      cause,
    });
  }
}
