/** The memory that the workload's threads share, and the words that reach the shell. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { quoteForShell } from '../../../../app/cli/demo/workload.ts';
import { actorKinds, WorkloadCells } from '../../../../app/cli/demo/workload/cells.ts';

describe("the workload's cells", () => {
  it('say that all run only when each does, and that all stand still only when each does', () => {
    const cells = new WorkloadCells();
    expect([cells.areAllRunning, cells.areAllStopped]).toEqual([false, true]);
    for (const actor of actorKinds) {
      expect(cells.areAllRunning).toBe(false);
      cells.setRunning(actor, true);
      expect(cells.areAllStopped).toBe(false);
    }
    expect(cells.areAllRunning).toBe(true);
  });

  it('pass the wish and the phase to a thread that shares them', () => {
    const cells = new WorkloadCells();
    const threads = new WorkloadCells(cells.shared);
    cells.orderRun('during');
    expect([threads.shallRun, threads.phase]).toEqual([true, 'during']);
    threads.waitForStart();
    cells.orderStop();
    expect(threads.shallRun).toBe(false);
  });

  it('keep the number of operations and the longest of each phase, over all actors', () => {
    const cells = new WorkloadCells();
    cells.addOperation('ledger', 'during', 3);
    cells.addOperation('ledger', 'during', 1.5);
    cells.addOperation('reader', 'during', 7.25);
    cells.addOperation('appender', 'after', 2);
    expect(cells.figures()).toEqual({
      before: { operations: 0, longestStallMs: 0 },
      during: { operations: 3, longestStallMs: 7.25 },
      after: { operations: 1, longestStallMs: 2 },
    });
  });
});

describe('a quoted word', () => {
  it.each(['plain', 'two words', "it's", '$HOME `date` "x" \\', '*'])(
    'reaches the shell as it is: %s',
    (word) => {
      expect(execFileSync('sh', ['-c', `printf %s ${quoteForShell(word)}`], { encoding: 'utf8' })).toBe(word);
    },
  );
});
