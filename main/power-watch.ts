/**
 * Passes on what happens to the machine's power: that it has woken from sleep, after which pages look anew at
 * everything, and that it runs on its battery, which a person should know before and while a move runs. A move is
 * not touched by it: the service keeps the machine awake.
 */
import type { BridgeMessage } from '../app/contract/bridge.ts';
import type { Notice } from './job-notices.ts';

/** No event tells of it on Linux. */
const lookEveryMs = 15_000;

export interface PowerWatchOptions {
  /** Electron's. */
  readonly monitor: { on(event: 'resume', listener: () => void): unknown };
  readonly isOnBattery: () => boolean;
  readonly isMoving: () => boolean;
  readonly notify: (notice: Notice) => void;
}

const batteryNotice: Notice = {
  title: 'A move runs on battery',
  body: 'Connect the machine to power. If it goes out, the volume cannot be used until the move has been gone on with.',
  isUrgent: true,
};

export class PowerWatch {
  readonly #options: PowerWatchOptions;
  readonly #listeners = new Set<(message: BridgeMessage) => void>();
  readonly #timer: NodeJS.Timeout;
  #isOnBattery: boolean;

  constructor(options: PowerWatchOptions) {
    this.#options = options;
    this.#isOnBattery = options.isOnBattery();
    options.monitor.on('resume', () => {
      this.look();
      this.#tell({ kind: 'awoken' });
    });
    this.#timer = setInterval(() => this.look(), lookEveryMs);
  }

  /** How it is now, and whatever happens until the returned function is called. */
  follow(listener: (message: BridgeMessage) => void): () => void {
    listener({ kind: 'power', isOnBattery: this.#isOnBattery });
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  look(): void {
    const isOnBattery = this.#options.isOnBattery();
    if (isOnBattery === this.#isOnBattery) return;
    this.#isOnBattery = isOnBattery;
    this.#tell({ kind: 'power', isOnBattery });
    if (isOnBattery && this.#options.isMoving()) this.#options.notify(batteryNotice);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  #tell(message: BridgeMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
