/** Events of a made-up job, as the real ones are shaped; the plan is made by the planner itself. */
import type { JobEvent, JobEventOf } from '../../../app/contract/events.ts';
import { nothingUnreadable } from '../../../app/contract/events.ts';
import type { DeviceTree } from '../../../app/contract/device-tree.ts';
import type { StatusLine } from '../../../app/contract/control.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { diskFacts, makeFacts, sourceDevice } from '../migration/made-facts.ts';

export const mebi = 1024 * 1024;
export const plan = decidePlan(makeFacts({ source: diskFacts(sourceDevice) }), {
  ...{ frontend: 'auto', mode: 'redirect', allowsNoJournal: true },
});

export function at(timeMs: number): { readonly job: string; readonly timeMs: number } {
  return { job: 'job-1', timeMs };
}

export function progress(timeMs: number, fields: Partial<JobEventOf<'progress'>> = {}): JobEventOf<'progress'> {
  return {
    ...{ event: 'progress', ...at(timeMs), phase: 'copying' },
    ...{ copiedBytes: 0, redirectedBytes: 0, skippedBytes: 0, totalBytes: 100 * mebi, pendingBytes: 100 * mebi },
    ...{ unreadableBytes: 0, toReturnBytes: 0, directBytes: 0, verifiedBytes: 0, copyBytesPerSecond: mebi },
    consumer: { readIops: 1, writeIops: 2, p50Us: 90, p99Us: 160, longestStallMs: 2 },
    etaSeconds: 100,
    ...fields,
  };
}

export const report = {
  ...{ elapsedMs: 61_000, copiedBytes: 90 * mebi, redirectedBytes: 10 * mebi, skippedBytes: 0, totalBytes: 100 * mebi },
  ...{ interruptions: [], graduation: { changes: 0, longestPauseMs: 0 }, staysOn: null, longestStallMs: 3, warnings: [] },
  ...{ unreadable: nothingUnreadable, unreadableFiles: { paths: [], unknown: null } },
};

export const planned: JobEvent = { event: 'planned', ...at(1000), plan };
export const attached: JobEvent = { event: 'attached', ...at(1100), device: '/dev/loop9' };
export const synchronized: JobEvent = { event: 'synchronized', ...at(5000) };
export const decision: JobEventOf<'decision'> = {
  ...{ event: 'decision', ...at(3000), message: '/dev/sdb: 4 KiB cannot be read' },
  choices: [
    { choice: 'retry', meaning: 'try again' },
    { choice: 'accept-unreadable', meaning: 'go on without it' },
    { choice: 'undo', meaning: 'go back' },
  ],
  unreadable: { extents: [{ offsetBytes: 8192, lengthBytes: 4096 }], extentCount: 3, totalBytes: 12_288 },
};
export const finished: JobEvent = { event: 'finished', ...at(62_000), verified: false, report };
export const undone: JobEvent = { event: 'undone', ...at(62_000), report };
export const failed: JobEvent = {
  ...{ event: 'failed', ...at(4000), code: 'source-gone', message: '/dev/sdb: gone', advice: 'Check it.' },
  dataIs: 'both',
};

export function statusLine(fields: Partial<StatusLine> = {}): StatusLine {
  return {
    ...{ event: 'status', ...at(4000), processId: 1, state: 'copying', source: '/dev/sdb', destination: '/dev/sdc' },
    ...{ device: '/dev/loop9', speed: 'balanced', progress: null, cutOver: [], decision: null },
    ...fields,
  };
}

export function device(path: string, fields: Partial<DeviceTree> = {}): DeviceTree {
  const eligible = { eligible: true, reason: null };
  return {
    ...{ path, kind: 'disk', majorMinor: path, sizeBytes: 100 * mebi, logicalBlockBytes: 512, physicalBlockBytes: 512 },
    ...{ readOnly: false, removable: false, model: null, vendor: null, serial: null, wwn: null, bus: null, content: null },
    ...{ linkMegabits: null, partitionUuid: null, health: null, isSystem: false, mountPoints: [], isSwap: false, usedBytes: null },
    ...{ offsetBytes: null, backingFile: null, asSource: eligible, asDestination: eligible, way: null, children: [] },
    ...fields,
  };
}
