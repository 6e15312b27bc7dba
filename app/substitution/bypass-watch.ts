/**
 * Nobody but the engine may use the source or the destination while a job runs: whoever lies on one of them
 * directly reads old data and writes where nobody looks. Device-mapper lets it happen all the same, as when a
 * command of LVM with old knowledge puts an LV back on the source. Users that go direct (direct-device.ts)
 * lie on neither. This looks again and again who lies on both disks, holds the I/O of whom it finds, and
 * tells. (Device-mapper's event numbers do not count changes of tables; sysfs shows who holds a disk.)
 */
import { BugError, DiskferryError, messageOf } from '../base/error.ts';
import {
  dependenciesOf,
  infoOf,
  replaceSuspended,
  suspendMapped,
  tableOf,
} from '../devices/device-mapper.ts';
import { movedTo } from '../devices/dm-table.ts';
import { mappedHoldersOf } from '../devices/mapped-holders.ts';

/** Reading two folders of sysfs takes microseconds; what is written past us in between may be lost. */
const lookMs = 250;

/** Each as `majorMinor`. */
export interface WatchedDisks {
  readonly source: string;
  readonly destination: string;
  /** Where their users belong. */
  readonly virtual: string;
}

interface Intruder {
  readonly name: string;
  readonly disk: string;
}

export class BypassWatch {
  readonly #watched: WatchedDisks;
  readonly #held: Intruder[] = [];
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #trouble: Error | undefined;
  #isDestinationAllowed = false;
  #tell: (error: Error) => void = () => undefined;

  constructor(watched: WatchedDisks) {
    this.#watched = watched;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#looking = this.#looking.then(() => this.#look());
    }, lookMs);
    // A job that has failed ends, whoever looks on.
    this.#timer.unref();
  }

  /**
   * Where everything has crossed, and undo will carry all of it back, the destination is what the virtual
   * device shows: nobody is wrong there. Before that, and when undo has begun, everybody is.
   */
  allowDestination(isAllowed: boolean): void {
    this.#isDestinationAllowed = isAllowed;
  }

  /** Rejects when somebody has come who has not been put back; else it never settles. */
  bypassed(): Promise<never> {
    return new Promise((_, reject) => {
      this.#tell = reject;
      if (this.#trouble !== undefined) reject(this.#trouble);
    });
  }

  /** Looks once more, and throws when somebody has come. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#looking;
    await this.#look();
    if (this.#trouble !== undefined) throw this.#trouble;
  }

  /**
   * Those whose I/O waits go on over the virtual device, and the watch goes on. May be called again when it
   * fails.
   */
  async putBack(): Promise<void> {
    const work = this.#looking.then(() => this.#returnHeld());
    // Nobody is looked for meanwhile: who goes on would be held again.
    this.#looking = work.catch(() => undefined);
    await work;
    this.start();
  }

  async #returnHeld(): Promise<void> {
    for (let intruder = this.#held[0]; intruder !== undefined; intruder = this.#held[0]) {
      const { name, disk } = intruder;
      await replaceSuspended(name, movedTo(await tableOf(name), { from: disk, to: this.#watched.virtual }));
      this.#held.shift();
    }
    this.#trouble = undefined;
  }

  async #look(): Promise<void> {
    try {
      const { source, destination } = this.#watched;
      const disks = this.#isDestinationAllowed ? [source] : [source, destination];
      const found = disks.flatMap((disk) => mappedHoldersOf(disk).map((name) => ({ name, disk })));
      for (const intruder of found) await this.#hold(intruder);
    } catch (error) {
      this.#trouble ??= error instanceof Error ? error : new BugError(messageOf(error));
      this.#tell(this.#trouble);
    }
  }

  /** Throws when he has just come. Who is resumed by the program that put him there is held again. */
  async #hold(intruder: Intruder): Promise<void> {
    const { name, disk } = intruder;
    // A table that is only loaded holds the disk already, and does nothing.
    if (!(await dependenciesOf(name)).includes(disk)) return;
    if (!(await infoOf(name)).isSuspended) await suspendMapped(name);
    if (this.#held.some((held) => held.name === name)) return;
    this.#held.push(intruder);
    const device = `/dev/mapper/${name}`;
    const message = `${device}: another program has put it past the virtual device; its I/O waits`;
    throw new DiskferryError('table-changed', message, { context: { device } });
  }
}
