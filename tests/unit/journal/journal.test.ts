import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { runKinds } from '../../../app/journal/record.ts';
import { textOf } from './made-journal.ts';
import { SteppedJournal } from './stepped-journal.ts';

const { flagged, written, returned } = runKinds;
const noSpace = -28;

/** A journal whose log holds three records of one unit before it is half full. */
function smallJournal(): SteppedJournal {
  return new SteppedJournal(64, { runsMax: 4, extraLogUnits: 4 });
}

describe('a journal', () => {
  test('commits a round with one durable write of a record', () => {
    const at = new SteppedJournal(64);
    at.set(written, 3, 5);
    at.prepare();
    expect(at.told).toEqual(['prepared 0']);
    at.journal.commit();
    expect(at.underWay).toEqual(['log 0 at 0 durably']);
    expect(at.told).toEqual(['prepared 0']);
    at.end('log 0 at 0 durably');
    expect(at.told).toEqual(['prepared 0', 'committed 0']);
    expect(textOf(at.recover())).toBe(textOf(at));
  });

  test('writes nothing for a round without changes', () => {
    const at = new SteppedJournal(64);
    at.prepare();
    at.journal.commit();
    expect([at.told, at.underWay]).toEqual([['prepared 0', 'committed 0'], []]);
  });

  test('does not record what is set while the disks are flushed', () => {
    const at = new SteppedJournal(64);
    at.set(written, 3, 5);
    at.prepare();
    const before = textOf(at);
    at.set(written, 5, 6);
    at.set(flagged, 9, 10);
    at.journal.commit();
    at.endAll();
    expect(textOf(at.recover())).toBe(before);
    at.round();
    expect(textOf(at.recover())).toBe(textOf(at));
  });

  test('knows which writes may not be recorded yet', () => {
    const at = new SteppedJournal(10_000);
    expect(at.journal.isUnrecorded(0, 10_000)).toBe(false);
    at.set(written, 5000, 5001);
    at.set(flagged, 9000, 9001);
    expect([at.journal.isUnrecorded(5000, 5001), at.journal.isUnrecorded(0, 100)]).toEqual([true, false]);
    expect(at.journal.isUnrecorded(8999, 9002)).toBe(false);
    at.prepare();
    expect(at.journal.isUnrecorded(5000, 5001)).toBe(true);
    at.set(written, 1, 2);
    at.journal.commit();
    at.endAll();
    expect([at.journal.isUnrecorded(5000, 5001), at.journal.isUnrecorded(0, 10_000)]).toEqual([false, true]);
  });

  test('asks a flush to wait only for what was written', () => {
    const at = new SteppedJournal(64);
    at.set(flagged, 0, 10);
    expect(at.journal.mustRecord).toBe(false);
    at.set(written, 10, 11);
    expect(at.journal.mustRecord).toBe(true);
    at.prepare();
    expect(at.journal.mustRecord).toBe(false);
  });

  test('stages the next checkpoint when its log is half full, and makes it valid in a later round', () => {
    const at = smallJournal();
    for (let block = 0; at.underWay.length === 0; block += 1) {
      at.set(written, block * 2, block * 2 + 1);
      at.prepare();
      at.journal.commit();
      at.end(`log 0 at ${block} durably`);
    }
    expect(at.underWay).toEqual(['maps 1']);
    expect(at.journal.wantsRound).toBe(false);
    at.set(written, 40, 41);
    at.prepare();
    at.end('maps 1');
    at.journal.commit();
    // Its flush of the disks began before the maps were complete.
    expect(at.underWay.map((text) => text.slice(0, 5))).toEqual(['log 0']);
    at.endAll();
    expect(at.journal.wantsRound).toBe(true);
    at.set(written, 50, 51);
    at.prepare();
    at.journal.commit();
    for (const step of ['sync', 'header 1 durably', 'log 1 at 0 durably']) {
      expect(at.underWay).toEqual([step]);
      at.end(step);
    }
    expect(at.told.at(-1)).toBe('committed 0');
    expect(at.journal.wantsRound).toBe(false);
    expect(textOf(at.recover())).toBe(textOf(at));
  });

  test('lets a round wait for a checkpoint when runs were dropped', () => {
    const at = smallJournal();
    for (let block = 0; block < 10; block += 1) at.set(written, block * 2, block * 2 + 1);
    expect([at.journal.wantsRound, at.journal.mustRecord]).toEqual([true, true]);
    at.prepare();
    expect([at.told, at.underWay]).toEqual([[], ['maps 1']]);
    at.end('maps 1');
    expect(at.told).toEqual(['prepared 0']);
    at.journal.commit();
    expect(textOf(at.recover())).toBe('.'.repeat(64));
    at.end('sync');
    at.end('header 1 durably');
    expect([at.told.at(-1), at.underWay]).toEqual(['committed 0', []]);
    expect(textOf(at.recover())).toBe(textOf(at));
    expect(at.journal.isUnrecorded(0, 64)).toBe(false);
  });

  test('does not go on from the checkpoint before one that stood for dropped runs', () => {
    const at = smallJournal();
    for (let block = 0; block < 10; block += 1) at.set(written, block * 2, block * 2 + 1);
    at.round();
    at.set(written, 50, 51);
    at.round();
    expect(textOf(at.recover())).toBe(textOf(at));
    at.bytes.fill(0xff, 4096, 8192);
    expect(() => at.recover()).toThrow('refused: records-missing');
  });

  test('starts a staging over when runs are dropped meanwhile', () => {
    const at = smallJournal();
    for (let block = 0; at.underWay.length === 0; block += 1) {
      at.set(written, block * 2, block * 2 + 1);
      at.prepare();
      at.journal.commit();
      at.end(`log 0 at ${block} durably`);
    }
    for (let block = 0; block < 10; block += 1) at.set(written, 40 + block * 2, 41 + block * 2);
    at.prepare();
    at.end('maps 1');
    expect(at.underWay).toEqual(['maps 1']);
    expect(at.told.filter((text) => text.startsWith('prepared')).length).toBe(at.told.length / 2);
    at.endAll();
    at.journal.commit();
    at.endAll();
    expect(textOf(at.recover())).toBe(textOf(at));
  });

  test('asks for a round of its own when many runs are unrecorded', () => {
    const at = new SteppedJournal(1000, { runsMax: 10 });
    for (let block = 0; block < 5; block += 1) at.set(flagged, block * 2, block * 2 + 1);
    expect(at.journal.wantsRound).toBe(false);
    at.set(flagged, 100, 101);
    expect(at.journal.wantsRound).toBe(true);
    at.round();
    expect(at.journal.wantsRound).toBe(false);
  });

  test('asks for a round of its own when a gibibyte is unrecorded', () => {
    const at = new SteppedJournal(300_000);
    at.set(flagged, 0, 262_143);
    expect(at.journal.wantsRound).toBe(false);
    at.set(flagged, 262_143, 262_144);
    expect(at.journal.wantsRound).toBe(true);
  });

  test('commits no round any more after a write that failed', () => {
    const at = new SteppedJournal(64);
    at.set(written, 1, 2);
    at.prepare();
    at.journal.commit();
    at.end('log 0 at 0 durably', noSpace);
    at.set(written, 3, 4);
    expect(at.journal.wantsRound).toBe(false);
    at.round();
    expect(at.told).toEqual([
      'prepared 0',
      `committed ${noSpace}`,
      `prepared ${noSpace}`,
      `committed ${noSpace}`,
    ]);
    expect(at.journal.failure).toBe(noSpace);
  });

  test('fails the round that waits for a staging that fails', () => {
    const at = smallJournal();
    for (let block = 0; block < 10; block += 1) at.set(written, block * 2, block * 2 + 1);
    at.prepare();
    at.end('maps 1', noSpace);
    expect(at.told).toEqual([`prepared ${noSpace}`]);
  });

  test('enters a phase with a record of its own', () => {
    const at = new SteppedJournal(64);
    at.set(written, 1, 2);
    const results: number[] = [];
    at.journal.enter(jobPhases.undoing, (result) => results.push(result));
    expect(at.recover().phase).toBe(jobPhases.copying);
    at.end('log 0 at 0 durably');
    expect(results).toEqual([0]);
    expect(at.recover().phase).toBe(jobPhases.undoing);
    // What was written is not flushed yet.
    expect(textOf(at.recover())).toBe('.'.repeat(64));
    at.round();
    expect([at.recover().phase, textOf(at.recover())]).toEqual([jobPhases.undoing, textOf(at)]);
  });

  test('enters a phase after the record that is being written, and before the next', () => {
    const at = new SteppedJournal(64);
    const results: number[] = [];
    at.set(written, 1, 2);
    at.prepare();
    at.journal.commit();
    at.journal.enter(jobPhases.undoing, (result) => results.push(result));
    expect(at.underWay).toEqual(['log 0 at 0 durably']);
    at.end('log 0 at 0 durably');
    expect([at.underWay, results]).toEqual([['log 0 at 1 durably'], []]);
    at.set(written, 5, 6);
    at.prepare();
    at.journal.commit();
    expect(at.underWay).toEqual(['log 0 at 1 durably']);
    at.end('log 0 at 1 durably');
    expect([at.underWay, results]).toEqual([['log 0 at 2 durably'], [0]]);
    at.endAll();
    expect([at.recover().phase, textOf(at.recover())]).toEqual([jobPhases.undoing, textOf(at)]);
  });

  test('is recovered as it was committed, whatever was noted in its rounds', () => {
    const range = fc
      .tuple(fc.nat(63), fc.nat(63))
      .map(([one, other]) => [Math.min(one, other), Math.max(one, other) + 1] as const);
    const change = fc.tuple(fc.constantFrom(flagged, written, returned), range);
    const phase = fc.constantFrom(jobPhases.copying, jobPhases.undoing);
    const round = fc.record({
      changes: fc.array(change, { maxLength: 9 }),
      phase: fc.option(phase, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40 }), (rounds) => {
        const at = smallJournal();
        let current: number = jobPhases.copying;
        for (const { changes, phase: entered } of rounds) {
          for (const [kind, [first, end]] of changes) at.set(kind, first, end);
          at.round();
          // More changes of phase than the log has room for do not happen.
          if (entered !== undefined && entered !== current) {
            at.journal.enter(entered, () => {});
            at.endAll();
            at.round();
            current = entered;
          }
          const found = at.recover();
          expect([textOf(found), found.phase]).toEqual([textOf(at), current]);
        }
        expect(at.told.filter((text) => !text.endsWith(' 0'))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
