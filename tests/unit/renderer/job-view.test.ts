import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { stalledMs } from '../../../renderer/state/job-forecast.ts';
import type { JobView } from '../../../renderer/state/job-view.ts';
import { afterEvent, afterPast, afterStatus, logMax, newJob, stageOf, waitsToBeLetGo, warningsMax } from '../../../renderer/state/job-view.ts';
import {
  at,
  attached,
  decision,
  failed,
  finished,
  plan,
  planned,
  progress,
  statusLine,
  synchronized,
  undone,
} from './made-events.ts';

function viewOf(...events: readonly JobEvent[]): JobView {
  return events.reduce(afterEvent, newJob('job-1'));
}

describe('a job as the wizard sees it', () => {
  test('follows its events from the plan to the end', () => {
    const stages: readonly (readonly [JobEvent, string, string])[] = [
      [planned, 'starting', 'moving'],
      [attached, 'starting', 'moving'],
      [progress(1200), 'copying', 'moving'],
      [{ event: 'paused', ...at(1300) }, 'paused', 'moving'],
      [{ event: 'resumed', ...at(1400) }, 'copying', 'moving'],
      [synchronized, 'synchronized', 'crossed'],
      [progress(5100, { phase: 'cutting-over' }), 'cutting-over', 'crossed'],
      [{ event: 'committed', ...at(5200) }, 'committed', 'crossed'],
      [finished, 'committed', 'ended'],
    ];
    let view = newJob('job-1');
    for (const [event, state, stage] of stages) {
      view = afterEvent(view, event);
      expect([event.event, view.state, stageOf(view)]).toEqual([event.event, state, stage]);
    }
    expect(view).toMatchObject({ plan, device: '/dev/loop9', end: finished });
  });

  test('stays paused while progress goes on, and so does a decision', () => {
    const paused = viewOf(planned, progress(1), { event: 'paused', ...at(2) }, progress(3));
    expect(paused.state).toBe('paused');
    const waiting = viewOf(planned, progress(1), decision, progress(3));
    expect(waiting).toMatchObject({ state: 'needs-decision', decision });
  });

  test('is paused from its first block on when it was paused while it starts', () => {
    const starting = afterStatus(viewOf(planned, { event: 'paused', ...at(2) }), statusLine({ state: 'starting' }));
    expect(starting.state).toBe('starting');
    expect(afterEvent(starting, progress(3)).state).toBe('paused');
    expect(afterEvent(afterStatus(starting, statusLine()), progress(3)).state).toBe('copying');
    expect(afterEvent(starting, progress(3, { phase: 'undoing' })).state).toBe('undoing');
  });

  test('waits for no decision any more when the job does something else', () => {
    const waiting = viewOf(planned, progress(1), decision, progress(3));
    expect(afterEvent(waiting, progress(4, { phase: 'undoing' }))).toMatchObject({ state: 'undoing', decision: null });
    expect(afterStatus(waiting, statusLine())).toMatchObject({ state: 'copying', decision: null });
    expect(afterEvent(waiting, synchronized).decision).toBeNull();
  });

  test('waits on when what failed was not what the job had last told of', () => {
    const waiting = viewOf(planned, progress(1), decision, progress(3, { phase: 'undoing' }));
    expect(waiting).toMatchObject({ state: 'needs-decision', decision });
    expect(afterEvent(waiting, progress(4, { phase: 'undoing' }))).toMatchObject({ state: 'needs-decision', decision });
    expect(afterEvent(waiting, progress(4))).toMatchObject({ state: 'copying', decision: null });
  });

  test('has not crossed for good before it is verified, where that was asked for', () => {
    const verifies: JobEvent = { event: 'planned', ...at(1), plan: { ...plan, verifies: true } };
    const amounts = { checkedBytes: 1, repairedBytes: 0, writtenBytes: 0, unknownBytes: 0 };
    const verified: JobEvent = { event: 'verified', ...at(6000), ...amounts };
    expect(stageOf(viewOf(verifies, synchronized))).toBe('moving');
    expect(stageOf(viewOf(verifies, synchronized, verified))).toBe('crossed');
  });

  test('does not take the last progress before it is read back for the end of its work', () => {
    const verifies: JobEvent = { event: 'planned', ...at(1), plan: { ...plan, verifies: true } };
    const crossed = progress(4900, { phase: 'synchronized', pendingBytes: 0 });
    expect(stageOf(viewOf(verifies, progress(2), crossed))).toBe('moving');
    expect(stageOf(viewOf(planned, progress(2), crossed))).toBe('crossed');
    // Where the past is not kept, the service's word has to do.
    const told = afterStatus(viewOf(verifies), statusLine({ state: 'synchronized' }));
    expect(stageOf(afterEvent(told, crossed))).toBe('crossed');
  });

  test('asks for no decision of the past, but for one that the service waits for', () => {
    const past = [planned, decision].reduce(afterPast, newJob('job-1'));
    expect(past).toMatchObject({ state: 'starting', decision: null, log: [planned, decision] });
    const now = afterStatus(past, statusLine({ state: 'needs-decision', decision }));
    expect(now).toMatchObject({ state: 'needs-decision', decision });
  });

  test('waits to be let go from when it says so until it ends or turns back', () => {
    const busy: JobEvent = { event: 'warning', ...at(5200), code: 'volume-busy', message: '/dev/loop9: it is mounted' };
    const undoing = (toReturnBytes: number) => progress(5400, { phase: 'undoing', toReturnBytes });
    const waiting = viewOf(planned, synchronized, busy, progress(5300, { phase: 'cutting-over' }));
    expect(waitsToBeLetGo(waiting)).toBe(true);
    expect(waitsToBeLetGo(afterEvent(waiting, undoing(0)))).toBe(false);
    expect(waitsToBeLetGo(afterEvent(waiting, { event: 'committed', ...at(5400) }))).toBe(false);
    const back = viewOf(planned, progress(2), undoing(4096), busy);
    expect([waitsToBeLetGo(back), waitsToBeLetGo(afterEvent(back, undoing(0)))]).toEqual([false, true]);
  });

  test('keeps what was not known before the start, and no more than a few of it', () => {
    const slow: JobEvent = { event: 'warning', ...at(2), code: 'consumer-slow', message: 'slow' };
    const known: JobEvent = { event: 'warning', ...at(1), code: 'state-not-durable', message: 'in the plan already' };
    expect(viewOf(planned, known, slow).warnings).toEqual([slow]);
    const many = Array.from({ length: 2 * warningsMax }, () => slow);
    expect(viewOf(planned, ...many).warnings).toHaveLength(warningsMax);
  });

  test('has stood still for no time while it was paused or waited for a decision', () => {
    for (const held of [{ event: 'paused', ...at(2000) } satisfies JobEvent, decision]) {
      const later = progress(3_600_000);
      const view = viewOf(planned, progress(1000), held, progress(4000), later);
      expect(stalledMs(view.forecast, later)).toBe(0);
      const again = afterEvent(afterStatus(view, statusLine()), progress(3_601_000));
      expect(stalledMs(again.forecast, progress(3_601_000))).toBe(0);
    }
  });

  test('takes the word of the service for its state, speed and decision, but never after its end', () => {
    const line = statusLine({ state: 'needs-decision', decision, speed: 'full', cutOver: ['a'] });
    expect(afterStatus(viewOf(planned), line)).toMatchObject({
      ...{ state: 'needs-decision', decision, speed: 'full', cutOver: ['a'] },
    });
    for (const end of [finished, undone, failed]) {
      const ended = viewOf(planned, end);
      expect(afterStatus(ended, line)).toBe(ended);
      expect(afterEvent(ended, progress(9)).state).toBe(ended.state);
    }
  });

  test('is the same after all its events have come again', () => {
    const events = [planned, attached, synchronized, undone];
    const once = viewOf(...events);
    expect(events.reduce(afterEvent, once)).toEqual(once);
  });

  test('keeps its charts over a new connection', () => {
    const view = viewOf(planned, progress(2000), progress(4000));
    expect(afterEvent(view, planned).samples.points).toHaveLength(2);
  });

  test('keeps the plan and the newest of very many events', () => {
    const many = Array.from({ length: 2 * logMax }, (_, index): JobEvent => ({ event: 'paused', ...at(index) }));
    const { log } = viewOf(planned, ...many);
    expect(log).toHaveLength(logMax);
    expect([log[0], log.at(-1)]).toEqual([planned, many.at(-1)]);
  });

  test('never changes what it was given', () => {
    const events = [planned, attached, progress(9), decision, synchronized, finished, undone, failed];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events)), (order) => {
        let view = newJob('job-1');
        for (const event of order) {
          const before = structuredClone(view);
          const next = afterEvent(view, event);
          expect(view).toEqual(before);
          view = next;
        }
      }),
      { numRuns: 50 },
    );
  });
});
