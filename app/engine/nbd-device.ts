/**
 * The nbd-socket frontend's side of the file system: a listening Unix socket. Its clients are the consumers; the
 * engine's worker accepts and serves them, and lets them go when the frontend is closed.
 */
import { closeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { addon } from '../../native/binding.ts';
import type { DeviceHost, VirtualDevice } from './device-host.ts';
import type { FrontendChoice } from './messages.ts';

const backlog = 16;

export class NbdSocket implements DeviceHost {
  readonly choice: FrontendChoice;
  readonly #listenFd: number;
  readonly #path: string;

  /** `path` must not exist yet; only its owner can connect. */
  static listen(path: string): NbdSocket {
    return new NbdSocket(path, addon().listenUnix(path, backlog));
  }

  private constructor(path: string, listenFd: number) {
    this.#path = path;
    this.#listenFd = listenFd;
    this.choice = { kind: 'nbd-socket', listenFd };
  }

  attach(): Promise<VirtualDevice> {
    const name = `nbd+unix:///?socket=${this.#path}`;
    // Clients are let go by the engine when it closes the frontend.
    return Promise.resolve({ name, detach: () => rm(this.#path, { force: true }) });
  }

  /** The worker's sockets closed with it. */
  abort(): void {}

  async release(): Promise<void> {
    closeSync(this.#listenFd);
    await rm(this.#path, { force: true });
  }
}
