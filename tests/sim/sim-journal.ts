/**
 * Where a simulated job keeps its journal: a disk of its own, as slow, as forgetful and as broken as the
 * others. It holds real bytes: a stamp is the number of a content that was written once.
 */
import type { DiskIoClient, JournalIo, Offsets } from '../../app/devices/disk-io.ts';
import type { JournalReader } from '../../app/journal/recovery.ts';
import type { Faults } from './faults.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import { SimDisk } from './sim-disk.ts';
import type { DiskTemper } from './sim-disk-io.ts';
import { ioError } from './sim-disk-io.ts';
import type { SimPool } from './sim-pool.ts';

/** What is never torn: less than of any disk, so that small records tear too. */
const tearBytes = 64;

export interface SimJournalOptions {
  readonly pool: SimPool;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly temper: DiskTemper;
}

export class SimJournal implements JournalIo {
  readonly #options: SimJournalOptions;
  readonly #disk: SimDisk;
  readonly #sectorCount: number;
  readonly #contents: Uint8Array[] = [new Uint8Array(tearBytes)];

  /** Holds `start`, and zeroes behind it. */
  constructor(lengthBytes: number, start: Uint8Array, options: SimJournalOptions) {
    this.#options = options;
    this.#sectorCount = lengthBytes / tearBytes;
    this.#disk = new SimDisk(this.#sectorCount, options.random, () => 0);
    this.#disk.write(0, this.#stampsOf(start), true);
  }

  write(
    _store: 2,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    const { pool, random, scheduler } = this.#options;
    const stamps = this.#stampsOf(pool.bytes.subarray(buffer, buffer + lengthBytes));
    const firstSector = (offsets[tag] as number) / tearBytes;
    const delayUs = this.#delayUs();
    if (random.chance(0.5)) {
      const arrived = stamps.subarray(0, random.between(0, stamps.length));
      // Not durable before the operation is done.
      scheduler.after(delayUs * random.share(), () => this.#disk.write(firstSector, arrived, false));
    }
    const fails = this.#options.faults.journalFails();
    scheduler.after(delayUs, () => {
      const arrived = fails ? stamps.subarray(0, random.between(0, stamps.length)) : stamps;
      this.#disk.write(firstSector, arrived, fua);
      client.diskOperationDone(tag, fails ? ioError : 0);
    });
  }

  flush(_store: 2, client: DiskIoClient, tag: number): void {
    const covered = this.#disk.beginFlush();
    const fails = this.#options.faults.journalFails();
    this.#options.scheduler.after(this.#delayUs(), () => {
      if (fails) this.#disk.failFlush(covered);
      else this.#disk.endFlush(covered);
      client.diskOperationDone(tag, fails ? ioError : 0);
    });
  }

  /** What would be left if power were cut now. */
  leftByPowerCut(): JournalReader {
    return this.#reader(this.#disk.leftByPowerCut());
  }

  /** Power is cut. Returns what is left. */
  cutPower(): JournalReader {
    return this.#reader(this.#disk.cutPower());
  }

  #delayUs(): number {
    const { random, temper } = this.#options;
    const stallUs = random.chance(temper.stallChance) ? temper.stallUs : 0;
    return 1 + random.share() * temper.longestUs + stallUs;
  }

  #stampsOf(bytes: Uint8Array): Uint32Array {
    return Uint32Array.from({ length: bytes.length / tearBytes }, (_, index) => {
      const content = bytes.slice(index * tearBytes, (index + 1) * tearBytes);
      return content.every((byte) => byte === 0) ? 0 : this.#contents.push(content) - 1;
    });
  }

  #reader(left: Uint32Array): JournalReader {
    const sizeBytes = this.#sectorCount * tearBytes;
    const read = (offsetBytes: number, lengthBytes: number): Uint8Array => {
      const bytes = new Uint8Array(lengthBytes);
      for (let at = 0; at < lengthBytes; at += tearBytes) {
        bytes.set(this.#contents[left[(offsetBytes + at) / tearBytes] as number] as Uint8Array, at);
      }
      return bytes;
    };
    return { sizeBytes, read };
  }
}
