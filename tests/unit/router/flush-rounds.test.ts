import { describe, expect, test } from 'vitest';
import { FlushRounds } from '../../../app/router/flush-rounds.ts';
import { SteppedDiskIo } from './stepped-disk-io.ts';

const flush = 'flush destination';
const ioError = -5;

interface Bench {
  readonly io: SteppedDiskIo;
  readonly rounds: FlushRounds;
  /** Slot and result of each answer, in order. */
  readonly answers: [number, number][];
}

function bench(): Bench {
  const io = new SteppedDiskIo();
  const answers: [number, number][] = [];
  const rounds = new FlushRounds(io, 8, (slot, result) => answers.push([slot, result]));
  return { io, rounds, answers };
}

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
    expect(answers).toEqual([[1, 0], [2, 0]]);
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
    expect(answers).toEqual([[1, 0], [2, 0], [3, 0]]);
    expect(io.underWay).toEqual([]);
  });

  test('make those that arrive while a flush runs wait for it even when nothing was written meanwhile', () => {
    const { io, rounds, answers } = bench();
    rounds.destinationWritten();
    rounds.join(1);
    rounds.join(2);
    expect(answers).toEqual([]);
    io.end(flush);
    expect(answers).toEqual([[1, 0], [2, 0]]);
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
    expect(answers).toEqual([[1, ioError], [2, ioError], [3, ioError]]);
    expect(io.underWay).toEqual([]);
  });

  test('put a flush that is asked for from inside an answer into the next round', () => {
    const io = new SteppedDiskIo();
    const answers: number[] = [];
    const rounds: FlushRounds = new FlushRounds(io, 2, (slot) => {
      answers.push(slot);
      if (answers.length === 1) {
        rounds.destinationWritten();
        rounds.join(slot);
      }
    });
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
});
