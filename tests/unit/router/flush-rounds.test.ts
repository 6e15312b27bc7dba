import { describe, expect, test } from 'vitest';
import type { JournalClient, RoundJournal } from '../../../app/journal/round-journal.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';
import type { DurabilityLoss, MirroredSource } from '../../../app/router/flush-rounds.ts';
import { FlushRounds } from '../../../app/router/flush-rounds.ts';
import { SteppedDiskIo } from './stepped-disk-io.ts';

const flush = 'flush destination';
const ioError = -5;
const noSpace = -28;

/** A source of which the test says whether something was mirrored to it. */
class Source implements MirroredSource {
  hasUnflushed = false;
  readonly results: number[] = [];

  flushBegins(): void {
    this.hasUnflushed = false;
  }

  flushEnded(result: number): void {
    this.results.push(result);
  }
}

interface Bench {
  readonly io: SteppedDiskIo;
  readonly source: Source;
  readonly rounds: FlushRounds;
  /** Slot and result of each answer, in order. */
  readonly answers: [number, number][];
  readonly losses: (DurabilityLoss & { readonly answersBefore: number })[];
}

function bench(journal: RoundJournal = new NoJournal()): Bench {
  const io = new SteppedDiskIo();
  const answers: [number, number][] = [];
  const source = new Source();
  const answer = (slot: number, result: number): number => answers.push([slot, result]);
  const losses: Bench['losses'] = [];
  const durabilityLost = (loss: DurabilityLoss): void =>
    void losses.push({ ...loss, answersBefore: answers.length });
  const rounds = new FlushRounds({ io, journal, source, capacity: 8, answer, durabilityLost });
  return { io, source, rounds, answers, losses };
}

/** A journal that says what it is asked for; the test ends it. */
class SteppedRoundJournal implements RoundJournal {
  readonly asked: string[] = [];
  mustRecord = false;
  wantsRound = false;
  client: JournalClient | undefined;

  note(): void {}

  isUnrecorded(): boolean {
    return this.mustRecord;
  }

  prepare(client: JournalClient): void {
    this.client = client;
    this.mustRecord = false;
    this.wantsRound = false;
    this.asked.push('prepare');
  }

  commit(): void {
    this.asked.push('commit');
  }
}

interface JournalledBench extends Bench {
  readonly journal: SteppedRoundJournal;
}

function journalledBench(): JournalledBench {
  const journal = new SteppedRoundJournal();
  return { ...bench(journal), journal };
}

describe('flush rounds with a journal', () => {
  test('close what is to be recorded, flush the destination, record, and then answer', () => {
    const { io, rounds, answers, journal } = journalledBench();
    journal.mustRecord = true;
    rounds.destinationWritten();
    rounds.join(1);
    expect([journal.asked, io.underWay]).toEqual([['prepare'], []]);
    journal.client?.journalPrepared(0);
    expect([journal.asked, io.underWay]).toEqual([['prepare'], [flush]]);
    io.end(flush);
    expect([journal.asked, answers]).toEqual([['prepare', 'commit'], []]);
    journal.client?.journalCommitted(0);
    expect(answers).toEqual([[1, 0]]);
  });

  test('do not wait for a record when the writes have changed no flags', () => {
    const { io, rounds, answers, journal } = journalledBench();
    rounds.destinationWritten();
    rounds.join(1);
    io.end(flush);
    expect([journal.asked, answers]).toEqual([[], [[1, 0]]]);
  });

  test('put what arrives while a record is written into the next round', () => {
    const { io, rounds, answers, journal } = journalledBench();
    journal.mustRecord = true;
    rounds.join(1);
    journal.client?.journalPrepared(0);
    io.end(flush);
    rounds.destinationWritten();
    rounds.join(2);
    journal.client?.journalCommitted(0);
    expect([answers, io.underWay]).toEqual([[[1, 0]], [flush]]);
  });

  test('have one of their own when the journal wants it, with a flush though nobody has written', () => {
    const { io, rounds, journal } = journalledBench();
    rounds.pump();
    expect(journal.asked).toEqual([]);
    journal.wantsRound = true;
    rounds.pump();
    journal.client?.journalPrepared(0);
    expect([journal.asked, io.underWay]).toEqual([['prepare'], [flush]]);
    journal.wantsRound = true;
    rounds.pump();
    expect(journal.asked).toEqual(['prepare']);
  });

  test('record nothing after a flush that has failed', () => {
    const { io, rounds, answers, journal } = journalledBench();
    journal.mustRecord = true;
    rounds.join(1);
    journal.client?.journalPrepared(0);
    io.end(flush, ioError);
    journal.mustRecord = true;
    journal.wantsRound = true;
    rounds.pump();
    rounds.join(2);
    expect([journal.asked, answers]).toEqual([
      ['prepare'],
      [
        [1, ioError],
        [2, ioError],
      ],
    ]);
  });

  test('fail for good with a record that fails, written or prepared', () => {
    for (const failsIn of ['journalPrepared', 'journalCommitted'] as const) {
      const { io, rounds, answers, journal } = journalledBench();
      journal.mustRecord = true;
      rounds.join(1);
      if (failsIn === 'journalCommitted') {
        journal.client?.journalPrepared(0);
        io.end(flush);
      }
      journal.client?.[failsIn](ioError);
      rounds.destinationWritten();
      rounds.join(2);
      expect([answers, io.underWay]).toEqual([
        [
          [1, ioError],
          [2, ioError],
        ],
        [],
      ]);
    }
  });

  test('record for the commit also what was only copied', () => {
    const { io, rounds, journal } = journalledBench();
    const results: number[] = [];
    rounds.flushEverything((result) => results.push(result));
    journal.client?.journalPrepared(0);
    io.end(flush);
    expect([journal.asked, results]).toEqual([['prepare', 'commit'], []]);
    journal.client?.journalCommitted(0);
    expect(results).toEqual([0]);
  });
});

describe('flush rounds', () => {
  test('answer at once when nothing has been written', () => {
    const { io, rounds, answers } = bench();
    rounds.join(1);
    expect(answers).toEqual([[1, 0]]);
    expect(io.underWay).toEqual([]);
  });

  test('answer at once when nothing has been written since the last flush', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    io.end(flush);
    rounds.join(2);
    expect(answers).toEqual([
      [1, 0],
      [2, 0],
    ]);
    expect(io.underWay).toEqual([]);
  });

  test('do not answer before the flush is done', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    expect(answers).toEqual([]);
    io.end(flush);
    expect(answers).toEqual([[1, 0]]);
  });

  test('give what arrives while a flush runs one further flush for all', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    rounds.destinationWritten();
    rounds.join(2);
    rounds.join(3);
    expect(io.underWay).toEqual([flush]);
    io.end(flush);
    expect(answers).toEqual([[1, 0]]);
    expect(io.underWay).toEqual([flush]);
    io.end(flush);
    expect(answers).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ]);
    expect(io.underWay).toEqual([]);
  });

  test('make those that arrive while a flush runs wait for it even when nothing was written meanwhile', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    rounds.join(2);
    expect(answers).toEqual([]);
    io.end(flush);
    expect(answers).toEqual([
      [1, 0],
      [2, 0],
    ]);
    expect(io.underWay).toEqual([]);
  });

  test('stay failed after a failed flush, without trying again', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    rounds.join(2);
    io.end(flush, ioError);
    rounds.destinationWritten();
    rounds.join(3);
    expect(answers).toEqual([
      [1, ioError],
      [2, ioError],
      [3, ioError],
    ]);
    expect(io.underWay).toEqual([]);
  });

  test('fail after a failed FUA write, whose flush may have lost what was written before', () => {
    const { io, rounds, answers } = bench();
    const results: number[] = [];
    rounds.durableWriteFailed(ioError);
    rounds.destinationWritten();
    rounds.join(1);
    rounds.flushEverything((result) => results.push(result));
    expect(answers).toEqual([[1, ioError]]);
    expect(results).toEqual([ioError]);
    expect(io.underWay).toEqual([]);
  });

  test('always flush once others may write past the router', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationIsWrittenUnseen();
    for (const slot of [1, 2]) {
      rounds.join(slot);
      expect(io.underWay).toEqual([flush]);
      io.end(flush);
    }
    expect(answers).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  test('put a flush that is asked for from inside an answer into the next round', () => {
    const io = new SteppedDiskIo();
    const answers: number[] = [];
    const answer = (slot: number): void => {
      answers.push(slot);
      if (answers.length === 1) {
        rounds.destinationWritten();
        rounds.join(slot);
      }
    };
    const parts = { io, journal: new NoJournal(), source: new Source() };
    const rounds: FlushRounds = new FlushRounds({ ...parts, capacity: 2, answer });
    rounds.destinationWritten();
    rounds.join(1);
    io.end(flush);
    expect(answers).toEqual([1]);
    io.end(flush);
    expect(answers).toEqual([1, 1]);
  });

  describe('for the commit', () => {
    test('flush also when no consumer has written', () => {
      const { io, rounds } = bench();
      const results: number[] = [];
      rounds.flushEverything((result) => results.push(result));
      expect(results).toEqual([]);
      io.end(flush);
      expect(results).toEqual([0]);
    });

    test('fail without trying when a flush has failed before', () => {
      const { io, rounds } = bench();
      const results: number[] = [];
      rounds.destinationWritten();
      rounds.join(1);
      io.end(flush, ioError);
      rounds.flushEverything((result) => results.push(result));
      expect(results).toEqual([ioError]);
      expect(io.underWay).toEqual([]);
    });

    test('fail for good when their own flush fails', () => {
      const { io, rounds, answers } = bench();
      const results: number[] = [];
      rounds.flushEverything((result) => results.push(result));
      io.end(flush, ioError);
      rounds.flushEverything((result) => results.push(result));
      rounds.join(1);
      expect(results).toEqual([ioError, ioError]);
      expect(answers).toEqual([[1, ioError]]);
    });
  });

  describe('while the source is mirrored', () => {
    const flushSource = 'flush source';

    test('flush each disk that was written, and answer when both have ended', () => {
      const { io, source, rounds, answers } = bench();
      source.hasUnflushed = true;
      rounds.destinationWritten();
      rounds.join(1);
      expect(io.underWay).toEqual([flushSource, flush]);
      io.end(flush);
      expect(answers).toEqual([]);
      io.end(flushSource);
      expect([answers, source.results]).toEqual([[[1, 0]], [0]]);
    });

    test('fail nobody when only the source does', () => {
      const { io, source, rounds, answers } = bench();
      source.hasUnflushed = true;
      rounds.destinationWritten();
      rounds.join(1);
      io.end(flushSource, ioError);
      io.end(flush);
      rounds.join(2);
      expect([answers, source.results]).toEqual([
        [
          [1, 0],
          [2, 0],
        ],
        [ioError],
      ]);
    });

    test('flush the source for undo alone, with whatever else waits for the next round', () => {
      const { io, source, rounds, answers } = bench();
      const results: number[] = [];
      source.hasUnflushed = true;
      rounds.join(1);
      source.hasUnflushed = true;
      rounds.joinForSource((result) => results.push(result));
      rounds.join(2);
      expect(io.underWay).toEqual([flushSource]);
      io.end(flushSource, ioError);
      expect([answers, results]).toEqual([[[1, 0]], []]);
      io.end(flushSource);
      expect([answers, results]).toEqual([
        [
          [1, 0],
          [2, 0],
        ],
        [0],
      ]);
    });

    test('tell undo why its flush has failed', () => {
      const { io, source, rounds } = bench();
      const results: number[] = [];
      source.hasUnflushed = true;
      rounds.joinForSource((result) => results.push(result));
      io.end(flushSource, ioError);
      rounds.joinForSource((result) => results.push(result));
      expect(results).toEqual([ioError, 0]);
    });
  });
});

describe('the loss of durability', () => {
  test('is told once, with its place, before anybody is answered so', () => {
    const { io, rounds, answers, losses } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    io.end(flush, ioError);
    rounds.durableWriteFailed(ioError);
    rounds.join(2);
    expect(losses).toEqual([{ place: 'destination', errno: ioError, answersBefore: 0 }]);
    expect(answers).toEqual([
      [1, ioError],
      [2, ioError],
    ]);
  });

  test.each(['prepare', 'commit'] as const)('is told of a journal that fails to %s', (step) => {
    const { io, rounds, journal, answers, losses } = journalledBench();
    rounds.destinationWritten();
    journal.mustRecord = true;
    rounds.join(1);
    journal.client?.journalPrepared(step === 'prepare' ? noSpace : 0);
    if (step === 'commit') {
      io.end(flush);
      journal.client?.journalCommitted(noSpace);
    }
    expect(losses).toEqual([{ place: 'journal', errno: noSpace, answersBefore: 0 }]);
    expect(answers).toEqual([[1, noSpace]]);
  });
});

describe('flush rounds of a successor', () => {
  test('flush what the dead process has written, although nobody has written since', () => {
    const { io, rounds, answers } = bench();
    rounds.goOnAfter(0);
    rounds.join(1);
    expect(io.underWay).toEqual([flush]);
    io.end(flush);
    expect(answers).toEqual([[1, 0]]);
  });

  test('do not forget what a flush of the dead process had failed with', () => {
    const { io, rounds, answers } = bench();
    rounds.durableWriteFailed(ioError);
    const successor = bench();
    successor.rounds.goOnAfter(rounds.failure);
    successor.rounds.join(1);
    const ends: number[] = [];
    successor.rounds.flushEverything((result) => ends.push(result));
    expect([successor.answers, ends]).toEqual([[[1, ioError]], [ioError]]);
    expect([io.underWay, answers]).toEqual([[], []]);
  });
});
