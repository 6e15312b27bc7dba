/**
 * The workload's process: a thread per actor, and a switch made of two files. Whoever writes `stop` or
 * `start` into the one finds the same word in the other as soon as every actor has closed, or opened and
 * checked, its files.
 *
 * Which phase it is, it sees for itself at each start: by the device that carries the volume. An actor that
 * finds anything wrong ends the process. So does the demo's own end, so that no workload outlives it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { builtFile } from '../../../base/built-file.ts';
import type { Phase } from '../acknowledged.ts';
import { actorKinds, WorkloadCells } from './cells.ts';
import type { SwitchPosition, WorkloadMessage, WorkloadSetting } from './setting.ts';
import { stateName, wishName } from './setting.ts';
import type { ThreadSetting } from './thread.ts';

const pollMs = 5;

const setting = JSON.parse(process.argv[2] ?? '') as WorkloadSetting;
const cells = new WorkloadCells();
/** What was last ordered, and whether all have followed. */
let ordered: SwitchPosition = 'stop';
let isReached = false;
let device = '';

function tell(message: WorkloadMessage, then?: () => void): void {
  process.send?.(message, undefined, undefined, then);
}

function fail(error: unknown): void {
  clearInterval(polling);
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }, () =>
    process.exit(1),
  );
}

function findDevice(): string {
  const answer = execFileSync('findmnt', [
    '--noheadings',
    '--output',
    'SOURCE',
    '--mountpoint',
    setting.volume,
  ]);
  return answer.toString().trim();
}

function phaseOn(path: string): Phase {
  if (path === setting.sourceDevice) return 'before';
  return path === setting.destinationDevice ? 'after' : 'during';
}

function follow(wish: SwitchPosition): void {
  ordered = wish;
  isReached = false;
  if (wish === 'stop') {
    cells.orderStop();
  } else {
    device = findDevice();
    cells.orderRun(phaseOn(device));
  }
}

/** Renamed into place, so that nobody reads half a word. */
function answer(): void {
  isReached = true;
  const path = join(setting.directory, stateName);
  writeFileSync(`${path}.new`, ordered);
  renameSync(`${path}.new`, path);
  if (ordered === 'start') tell({ kind: 'running', phase: cells.phase, device });
  else tell({ kind: 'stopped', figures: cells.figures() });
}

function poll(): void {
  if (!isReached) {
    // One order at a time: a stop must not be answered while an actor still opens its files.
    if (ordered === 'start' ? cells.areAllRunning : cells.areAllStopped) answer();
    return;
  }
  // The shell that writes a wish empties the file first: only a whole word counts.
  const wish = readFileSync(join(setting.directory, wishName), 'utf8').trim();
  if ((wish === 'start' || wish === 'stop') && wish !== ordered) follow(wish);
}

for (const kind of actorKinds) {
  const workerData: ThreadSetting = { kind, shared: cells.shared, workload: setting };
  new Worker(builtFile('app/cli/demo/workload/thread.js'), { workerData }).once('error', (error) =>
    fail(new Error(`the ${kind} failed: ${error instanceof Error ? error.message : String(error)}`)),
  );
}
process.once('disconnect', () => process.exit(1));
const polling = setInterval(() => {
  try {
    poll();
  } catch (error) {
    fail(error);
  }
}, pollMs);
