/**
 * The nbd-socket frontend's side of the file system: a listening Unix socket. Its clients are the consumers;
 * the engine's worker accepts and serves them, and lets them go when the frontend is closed.
 */
import { closeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { DiskferryError } from '../base/error.ts';
import { addon, isAddonError } from '../../native/binding.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';

const backlog = 16;

export class NbdSocket implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #listenFd: number;
  readonly #path: string;

  /** `path` must not exist yet; only its owner can connect. Throws `socket-unusable` when that cannot be. */
  static listen(path: string): NbdSocket {
    try {
      return new NbdSocket(path, addon().listenUnix(path, backlog));
    } catch (cause) {
      if (!isAddonError(cause)) throw cause;
      const message = `${path}: no socket can be made there: ${cause.code}`;
      throw new DiskferryError('socket-unusable', message, { context: { path }, cause });
    }
  }

  private constructor(path: string, listenFd: number) {
    this.#path = path;
    this.#listenFd = listenFd;
    this.choice = { kind: 'nbd-socket', listenFd };
  }

  attach(): Promise<VirtualDevice> {
    return Promise.resolve(new SocketDevice(this.#path));
  }

  /** The worker's sockets closed with it. */
  abort(): void {}

  async release(): Promise<void> {
    closeSync(this.#listenFd);
    await rm(this.#path, { force: true });
  }
}

class SocketDevice implements VirtualDevice {
  readonly name: string;
  readonly #path: string;
  #isAttached = true;

  constructor(path: string) {
    this.#path = path;
    this.name = `nbd+unix:///?socket=${path}`;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** Nobody new can connect; clients that are there are let go by the engine when it closes the frontend. */
  async detach(): Promise<void> {
    await rm(this.#path, { force: true });
    this.#isAttached = false;
  }
}
