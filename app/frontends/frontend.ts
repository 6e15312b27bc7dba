/**
 * What every frontend is to the engine's loop: it keeps its own reads posted in the ring, turns what arrives
 * into requests, hands them to the router and sends the answers. All on the worker thread, nothing allocated
 * per request.
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import type { Ring } from '../../native/ring.ts';
import type { RequestHandler, RequestSink, RequestTable } from '../router/request.ts';

/** What consumers are told about the virtual device: the source's own values. */
export interface DeviceGeometry {
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number;
}

export interface FrontendSetting {
  readonly ring: Ring;
  /** This frontend's owner number in ring tags (`tagOf(ringOwner, index)`). */
  readonly ringOwner: number;
  readonly pool: BufferPool;
  readonly requests: RequestTable;
  readonly handler: RequestHandler;
  readonly geometry: DeviceGeometry;
}

export interface Frontend extends RequestSink {
  /** Called before each turn of the loop: posts the reads that should be waiting. */
  prepareTurn(): void;
  /** One of the frontend's ring operations is done; `index` is the lower part of its tag. */
  ringDone(index: number, result: number): void;
  /**
   * No new consumer from now on, and those that are there are let go. A mounted one goes by being unmounted.
   */
  stopAccepting(): void;
  /** Clients that are connected; 0 where only the kernel knows who uses the device. */
  readonly clientCount: number;
  /** True when the consumer's side is gone for good (unmounted, every client has left and none can come). */
  readonly isClosed: boolean;
}
