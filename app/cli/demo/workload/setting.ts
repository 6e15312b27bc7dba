/**
 * What the workload's process and the demo know in common: what the process is told at its start, what it
 * tells the demo, and the names of the files between them. Both are from the same build.
 */
import type { Phase } from '../acknowledged.ts';
import type { ActorKind, WorkloadFigures } from './cells.ts';

export interface WorkloadSetting {
  readonly sourceDevice: string;
  readonly destinationDevice: string;
  /** Where the volume is mounted. */
  readonly volume: string;
  /** Outside of the volume: the logs of what was acknowledged, and the files of the switch. */
  readonly directory: string;
}

export type WorkloadMessage =
  /** All actors run again and have found everything as they left it. `device` carries the volume. */
  | { readonly kind: 'running'; readonly phase: Phase; readonly device: string }
  /** All actors have closed their files. */
  | { readonly kind: 'stopped'; readonly figures: WorkloadFigures }
  | { readonly kind: 'failed'; readonly message: string };

/** The switch: the stop and start commands write `wish`; `state` repeats it when all actors have followed. */
export const wishName = 'wish';
export const stateName = 'state';
export type SwitchPosition = 'start' | 'stop';

export const treeRecordName = 'tree.jsonl';

/** Logs of files; the database's is one of rows. */
export const fileRecordNames = [
  treeRecordName,
  ...(['appender', 'overwriter', 'replacer'] as const).map((actor) => recordNameOf(actor)),
];
export const rowRecordName = recordNameOf('ledger');

export function recordNameOf(actor: ActorKind): string {
  return `${actor.replace(' ', '-')}.jsonl`;
}
