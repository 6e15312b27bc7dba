/**
 * One actor's thread: waits for the start, runs step after step until the stop, and again. Keeps the time of
 * every operation on the volume. Ends with its process, by itself only if the actor throws.
 */
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import type { Actor, ActorSetting } from './actor.ts';
import { Appender } from './appender.ts';
import type { ActorKind } from './cells.ts';
import { WorkloadCells } from './cells.ts';
import { Ledger } from './ledger.ts';
import { Overwriter } from './overwriter.ts';
import { Reader } from './reader.ts';
import { Replacer } from './replacer.ts';
import type { WorkloadSetting } from './setting.ts';
import { recordNameOf, treeRecordName } from './setting.ts';

export interface ThreadSetting {
  readonly kind: ActorKind;
  readonly shared: SharedArrayBuffer;
  readonly workload: WorkloadSetting;
}

/** Between two operations: a busy volume, but not a machine without air. */
const restMs = 4;

const makers: Readonly<Record<ActorKind, (setting: ActorSetting) => Actor>> = {
  appender: (setting) => new Appender(setting),
  overwriter: (setting) => new Overwriter(setting),
  replacer: (setting) => new Replacer(setting),
  ledger: (setting) => new Ledger(setting),
  reader: (setting) => new Reader(setting),
  'second reader': (setting) => new Reader(setting),
};

function run({ kind, shared, workload }: ThreadSetting): never {
  const cells = new WorkloadCells(shared);
  const actor = makers[kind]({
    volume: workload.volume,
    recordPath: join(workload.directory, recordNameOf(kind)),
    treeRecordPath: join(workload.directory, treeRecordName),
    timed: (operation) => {
      const startMs = performance.now();
      const result = operation();
      cells.addOperation(kind, cells.phase, performance.now() - startMs);
      return result;
    },
  });
  for (;;) {
    cells.waitForStart();
    actor.open(cells.phase);
    cells.setRunning(kind, true);
    while (cells.shallRun) {
      actor.step();
      cells.rest(restMs);
    }
    actor.close();
    cells.setRunning(kind, false);
  }
}

run(workerData as ThreadSetting);
