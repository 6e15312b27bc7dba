/**
 * What a benchmark asks of the process that holds our engine (our-device.ts), over Node's IPC channel: one
 * call at a time, each answered by its result or by the text of an error. Times are taken in that process,
 * around the work alone.
 */
import type { EngineProgress } from '../../app/engine/progress-cells.ts';
import type { Speed } from '../../app/copy/pace.ts';

export interface AttachSetting {
  readonly sourcePath: string;
  readonly destinationPath: string;
  /** An empty directory of its own. */
  readonly directory: string;
  readonly frontend: 'ublk' | 'nbd' | 'fuse' | 'nbd-socket';
  readonly speed: Speed;
  /** Finds the free space of the source's file system of this type first, and leaves it out. */
  readonly skipsFreeSpaceOf?: string;
}

export interface DeviceCalls {
  /** Brings the virtual device up. */
  attach(setting: AttachSetting): Promise<{ readonly name: string; readonly elapsedMs: number }>;
  startCopy(): Promise<void>;
  /** Resolves when every block has crossed and is durable; the time is that since `startCopy`. */
  synchronized(): Promise<{ readonly elapsedMs: number }>;
  progress(): Promise<EngineProgress & { readonly timeMs: number }>;
  residentBytes(): Promise<number>;
  /** Takes it all down again; a copy under way is broken off. */
  detach(): Promise<void>;
}

export type CallName = keyof DeviceCalls;

export interface CallMessage {
  readonly call: CallName;
  readonly parameter: unknown;
}

export type AnswerMessage = { readonly result: unknown } | { readonly error: string };
