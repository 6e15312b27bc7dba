/** What was accepted as unreadable must be in the report, whatever happens in between. */
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobState } from '../../../app/contract/control.ts';
import type { JobEventOf } from '../../../app/contract/events.ts';
import { DiskferryError } from '../../../app/base/error.ts';
import { UnreadableError } from '../../../app/engine/unreadable-error.ts';
import { Choice } from '../../../app/migration/choice.ts';
import type { ChoiceName } from '../../../app/migration/choice.ts';
import type { Ferry } from '../../../app/migration/ferry.ts';
import type { AcceptedUnreadable } from '../../../app/migration/job-record.ts';
import { OpenDecision } from '../../../app/migration/open-decision.ts';

const writtenBytes = 12288;
const engine = { died: () => new Promise<never>(() => undefined), progress: { writtenBytes } };
const ferry = { engine } as unknown as Ferry;
const places = (totalBytes: number) => ({
  extents: [{ offsetBytes: 0, lengthBytes: totalBytes }],
  extentCount: 1,
  totalBytes,
});

let emitted: JobEventOf<'decision'>[];
let choice: Choice;
let decision: OpenDecision;
let kept: AcceptedUnreadable | undefined;

function makeDecision(accepted?: AcceptedUnreadable): OpenDecision {
  const keep = (now: AcceptedUnreadable): Promise<void> => Promise.resolve(void (kept = now));
  return new OpenDecision({ job: 'sdb-1234', choice, accepted, keep, emit: (event) => emitted.push(event) });
}

beforeEach(() => {
  emitted = [];
  choice = new Choice();
  kept = undefined;
  decision = makeDecision();
});

async function answer(name: ChoiceName, error: unknown, state: JobState): Promise<ChoiceName> {
  const asked = decision.ask(ferry, error, state);
  choice.make(name);
  return asked;
}

describe('a decision', () => {
  test('is told once, can be looked up while it is open, and is closed by the answer', async () => {
    const asked = decision.ask(ferry, new UnreadableError('source', '/dev/sdb', places(4096)), 'copying');
    expect(emitted).toEqual([decision.event]);
    expect([decision.offers('accept-unreadable'), decision.offers('cutover')]).toEqual([true, false]);
    expect(decision.event?.message).toBe('/dev/sdb: 4096 bytes cannot be read: 4096 at 0');
    choice.make('retry');
    expect([await asked, decision.event, decision.takeAcceptance()]).toEqual(['retry', undefined, false]);
  });

  test('about what is unreadable is passed on once, and keeps the larger part when it is asked twice', async () => {
    await answer('accept-unreadable', new UnreadableError('source', '/dev/sdb', places(8192)), 'copying');
    expect([decision.takeAcceptance(), decision.takeAcceptance()]).toEqual([true, false]);
    await answer('accept-unreadable', new UnreadableError('source', '/dev/sdb', places(4096)), 'copying');
    expect(decision.unreadableOf('source')).toEqual(places(8192));
    expect(decision.unreadableOf('destination').totalBytes).toBe(0);
  });

  test('is known again after a crash', async () => {
    await answer('accept-unreadable', new UnreadableError('source', '/dev/sdb', places(8192)), 'copying');
    expect(kept?.source).toEqual(places(8192));
    expect(makeDecision(kept).unreadableOf('source')).toEqual(places(8192));
  });

  test('that cannot be kept is not passed on', async () => {
    const keep = (): Promise<void> => Promise.reject(new DiskferryError('state-directory-unusable', 'full'));
    decision = new OpenDecision({ job: 'sdb-1234', choice, keep, emit: (event) => emitted.push(event) });
    const error = new UnreadableError('source', '/dev/sdb', places(4096));
    const asked = answer('accept-unreadable', error, 'copying');
    await vi.waitFor(() => expect(emitted.map(({ message }) => message)).toContain('full'));
    choice.make('retry');
    expect([await asked, decision.takeAcceptance()]).toEqual(['retry', false]);
    expect(decision.unreadableOf('source').totalBytes).toBe(0);
  });

  test('to do without a destination that has gone counts all that was written as lost', async () => {
    await answer('accept-unreadable', new DiskferryError('destination-gone', 'gone'), 'undoing');
    expect(decision.unreadableOf('destination')).toEqual({ extents: [], extentCount: 0, totalBytes: writtenBytes });
  });
});
