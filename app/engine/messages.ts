/**
 * What the engine's control thread and its worker say to each other over their MessagePort: plain data, typed on both
 * sides. Numbers that change all the time are not messages; they stand in shared memory (progress-cells.ts).
 */
import type { Extent } from '../base/units.ts';
import type { CopyFailure } from '../copy/copy-loop.ts';
import type { Speed } from '../copy/pace.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';

/** What the worker needs to begin. File descriptors belong to the whole process; the control thread opened them. */
export interface WorkerSetting {
  readonly geometry: DeviceGeometry;
  readonly sourceFd: number;
  readonly destinationFd: number;
  readonly wakeFd: number;
  readonly frontend: FrontendChoice;
  readonly speed: Speed;
  readonly consumerCells: SharedArrayBuffer;
  readonly progressCells: SharedArrayBuffer;
}

export type FrontendChoice =
  | { readonly kind: 'fuse'; readonly fuseFd: number }
  | { readonly kind: 'nbd-socket'; readonly listenFd: number };

export type ControlMessage =
  /** Extents whose content nobody relies on: flagged without being copied. Only before the first consumer request. */
  | { readonly kind: 'skip'; readonly extents: readonly Extent[] }
  | { readonly kind: 'start-copy' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'speed'; readonly speed: Speed }
  /** Make everything on the destination durable; answered by `flushed`. */
  | { readonly kind: 'flush-destination' }
  /** Take no new consumers and let those that are there go; answered by `frontend-closed`. */
  | { readonly kind: 'close-frontend' }
  /**
   * Carry what the consumer wrote back to the source, through an fd that may write to it; the frontend must be closed.
   * Answered by `returned` when the source is durable, or by `return-failed`.
   */
  | { readonly kind: 'return-written'; readonly sourceFd: number }
  /** End the worker; everything in flight ends first. */
  | { readonly kind: 'stop' };

export type WorkerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'skipped' }
  /** Every block has crossed. */
  | { readonly kind: 'synchronized' }
  | { readonly kind: 'copy-failed'; readonly failure: CopyFailure }
  | { readonly kind: 'flushed'; readonly errno: number }
  | { readonly kind: 'frontend-closed' }
  | { readonly kind: 'returned' }
  | { readonly kind: 'return-failed'; readonly failure: CopyFailure }
  | { readonly kind: 'stopped' };
