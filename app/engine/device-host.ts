/**
 * The kernel's or the network's side of a frontend, as the control thread sees it: made before the engine,
 * because the engine is handed its file descriptor; put in place when the engine serves; gone before the
 * engine ends.
 */
import type { DeviceGeometry } from '../frontends/frontend.ts';
import type { FrontendChoice } from './messages.ts';

export interface DeviceHost {
  /** What the worker needs to serve it. */
  readonly choice: FrontendChoice;
  /** Makes the virtual device usable. The engine must be serving. */
  attach(geometry: DeviceGeometry): Promise<VirtualDevice>;
  /** Instead of `attach`, by a successor: the device that is there, with its users. Absent where that cannot be. */
  adopt?(path: string): Promise<VirtualDevice>;
  /** The engine has died: consumers get errors at once instead of waiting for ever. */
  abort(): void;
  /** Gives back what was made, after the engine has stopped. */
  release(): Promise<void>;
}

/**
 * Another process that holds the virtual device open as well, so that the device outlives ours: with its last
 * holder it would go away, and what is in its page cache would be written back through an engine that is dead.
 */
export interface DeviceKeeper {
  keep(path: string): Promise<void>;
  /** Before it is taken away: who still holds it then is a consumer. */
  letGo(): Promise<void>;
}

export interface VirtualDevice {
  /** What consumers use: a block device's path, or an `nbd+unix:` URI. */
  readonly name: string;
  /** False once it has been taken away: its name may then be somebody else's. */
  readonly isAttached: boolean;
  /**
   * Takes it away from consumers. Throws `volume-busy`, and changes nothing for them, while it is in use.
   * Idempotent.
   */
  detach(): Promise<void>;
}
