/**
 * What the engine's control thread and its worker say to each other over their MessagePort: plain data, typed
 * on both sides. Numbers that change all the time are not messages; they stand in shared memory
 * (progress-cells.ts).
 */
import type { Extent } from '../base/units.ts';
import type { CopyFailure } from '../copy/copy-failure.ts';
import type { Speed } from '../copy/pace.ts';
import type { VerifyEnd } from './verification.ts';
import type { UnreadableExtents } from '../flags/unreadable-blocks.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import type { LiveMapSetting } from './live-map.ts';
import type { JobPhase } from '../journal/job-phase.ts';
import type { JournalIdentity } from '../journal/layout.ts';
import type { JournalPosition } from '../journal/recovery.ts';
import type { DurabilityLoss } from '../router/flush-rounds.ts';
import type { WantedMask } from './mask-change.ts';
import type { UndoFailure } from './undo.ts';
import type { NumberForm } from '../../native/ublk.ts';

/**
 * What the worker needs to begin. File descriptors belong to the whole process; the control thread opened
 * them.
 */
export interface WorkerSetting {
  readonly geometry: DeviceGeometry;
  readonly sourceFd: number;
  readonly destinationFd: number;
  readonly wakeFd: number;
  readonly frontend: FrontendChoice;
  readonly speed: Speed;
  readonly live?: LiveSetting | undefined;
  /** Hashes are taken while copying. */
  readonly verifies?: boolean;
  readonly consumerCells: SharedArrayBuffer;
  readonly progressCells: SharedArrayBuffer;
  readonly placeCells: SharedArrayBuffer;
  /** Undefined: nobody can continue the job after a crash. */
  readonly journal?: JournalSetting | undefined;
}

/** The job's journal, and where it goes on. */
export interface JournalSetting {
  readonly fd: number;
  readonly identity: JournalIdentity;
  readonly logBytes: number;
  readonly position: JournalPosition;
  readonly phase: JobPhase;
  /** The maps that a live map holds are ahead of it: everything is to be recorded anew. */
  readonly isBehind?: boolean | undefined;
  /** What recovery has found, as `FlagMap.toBytes` makes it; undefined: nothing has crossed yet. */
  readonly maps?: { readonly flags: Uint8Array; readonly written: Uint8Array } | undefined;
}

/** The journal could not be written. */
export interface JournalFailure {
  readonly operation: 'journal';
  /** Negative. */
  readonly errno: number;
}

/** What a successor needs when this process is killed; undefined: there can be none. */
export interface LiveSetting extends LiveMapSetting {
  /** A locked file; the worker keeps it locked until its last request has ended, and closes the fd. */
  readonly fenceFd: number;
  /** Since the time of the dead process users reach a part of the destination past the engine. */
  readonly isDirect: boolean;
}

export type FrontendChoice =
  | { readonly kind: 'fuse'; readonly fuseFd: number }
  | { readonly kind: 'ublk'; readonly characterFd: number; readonly numberForm: NumberForm }
  | { readonly kind: 'nbd'; readonly socketFds: readonly number[] }
  | { readonly kind: 'nbd-socket'; readonly listenFd: number };

export type ControlMessage =
  /**
   * Extents whose content nobody relies on: flagged without being copied. Only before the first consumer
   * request.
   */
  | { readonly kind: 'skip'; readonly extents: readonly Extent[] }
  | { readonly kind: 'start-copy' }
  /** What could not be read, when nothing else is left, is done with: copying (or the way back) ends without it. */
  | { readonly kind: 'accept-unreadable' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'speed'; readonly speed: Speed }
  /** Make everything on the destination durable; answered by `flushed`. */
  | { readonly kind: 'flush-destination' }
  /**
   * Find what has crossed completely from the start, if it is at least so long, make it durable, and count it
   * as written: it may be served past the engine from now on. Answered by `graduated`.
   */
  | { readonly kind: 'graduate'; readonly leastBytes: number }
  /**
   * Read the destination back and compare it with what was copied; only when everything has crossed. Answered
   * by `verified` or `verify-failed`, unless an undo or the end stops it.
   */
  | { readonly kind: 'verify' }
  /**
   * Make a disk known as the volume, or unknown, while it is served. The source must be writable. Answered by
   * `mask-changed`.
   */
  | ({ readonly kind: 'change-mask' } & WantedMask)
  /** Take no new consumers and let those that are there go; answered by `frontend-closed`. */
  | { readonly kind: 'close-frontend' }
  /** Make durable what the job is about from now on; answered by `phase-entered`. One at a time. */
  | { readonly kind: 'enter-phase'; readonly phase: JobPhase }
  /**
   * Undo: carry what the consumer wrote back to the source, through an fd that may write to it and stays open
   * until the worker has ended. Copying pauses, and from then on writes go to both disks. The
   * journal says so first. Answered by `returned` when the source has everything durably, or by `return-failed`; may be asked again.
   */
  | { readonly kind: 'return-written'; readonly sourceFd: number }
  /** End the worker; everything in flight ends first. */
  | { readonly kind: 'stop' };

export type WorkerMessage =
  /** `ringFd` keeps the worker's ring; it is closed when the worker's thread has ended (engine.ts). */
  | { readonly kind: 'ready'; readonly ringFd: number }
  | { readonly kind: 'skipped' }
  /** Every block has crossed. */
  | { readonly kind: 'synchronized' }
  | { readonly kind: 'copy-failed'; readonly failure: CopyFailure; readonly unreadable: UnreadableExtents }
  /** Nothing can be made durable any more; once, before anything else tells of it. */
  | { readonly kind: 'durability-lost'; readonly loss: DurabilityLoss }
  | { readonly kind: 'flushed'; readonly errno: number }
  /** The extent's length from the disk's start; 0: it was not that long yet, or the flush has failed. */
  | { readonly kind: 'graduated'; readonly lengthBytes: number; readonly errno: number }
  | VerifyEnd
  | { readonly kind: 'mask-changed'; readonly errno: number }
  | { readonly kind: 'frontend-closed' }
  | { readonly kind: 'returned' }
  | {
      readonly kind: 'return-failed';
      readonly failure: UndoFailure | JournalFailure;
      readonly unreadable: UnreadableExtents;
    }
  | { readonly kind: 'phase-entered'; readonly errno: number }
  | { readonly kind: 'stopped' };
