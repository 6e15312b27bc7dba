/**
 * DiskIo over two disks in memory. Operations take random times and so end in any order; each touches its
 * disk and its buffer partly at some moment before its end and partly at the end, as a real one may; a failed
 * one has done any part of its work. What must never reach a disk is reported at once: a write to the source,
 * a write behind the virtual device's end, a transfer that is not aligned.
 */
import { sectorBytes } from '../../app/base/units.ts';
import type { Disk, DiskIo, DiskIoClient, Offsets } from '../../app/devices/disk-io.ts';
import { destination, source } from '../../app/devices/disk-io.ts';
import type { DiskOperation, Faults } from './faults.ts';
import type { History } from './history.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimGuard } from './sim-guard.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimPool } from './sim-pool.ts';
import { garbageStamp, junkStamp, unfilled, zeroes } from './stamps.ts';
import { Violation } from './violation.ts';

export const ioError = -5;

/** How long a disk takes. */
export interface DiskTemper {
  readonly longestUs: number;
  /** How often an operation takes `stallUs` longer. */
  readonly stallChance: number;
  readonly stallUs: number;
}

export interface SimDiskIoOptions {
  readonly source: SimDisk;
  readonly destination: SimDisk;
  readonly guard: SimGuard;
  readonly logicalBlockBytes: number;
  readonly pool: SimPool;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly temper: DiskTemper;
  /** Takes the first broken promise; throwing would end in the code under test. */
  readonly report: (violation: Violation) => void;
}

interface Operation {
  readonly kind: DiskOperation;
  readonly disk: Disk;
  readonly firstSector: number;
  readonly sectorCount: number;
  readonly buffer: number;
  readonly fua: boolean;
  readonly client: DiskIoClient;
  readonly tag: number;
  /** What a flush covers. */
  readonly covered: number;
  /** How many of its sectors have been transferred. */
  transferred: number;
}

const garbleChance = 0.1;

const diskNames = { [source]: 'source', [destination]: 'destination' } as const;

export class SimDiskIo implements DiskIo {
  readonly #options: SimDiskIoOptions;
  readonly #disks: readonly [SimDisk, SimDisk];
  readonly #clientNames = new Map<DiskIoClient, string>();
  readonly #startedBy = new Map<DiskIoClient, number>();
  readonly #sectorCount: number;
  #maySourceBeWritten = false;
  #isSourceWritten = false;
  #garbles: (operation: Operation) => boolean = () => false;
  readonly #mayShow = [false, false];
  history: History | undefined;

  constructor(options: SimDiskIoOptions) {
    this.#options = options;
    this.#disks = [options.source, options.destination];
    this.#sectorCount = options.source.sectorCount;
  }

  /** How a client is called in the history. */
  name(client: DiskIoClient, name: string): void {
    this.#clientNames.set(client, name);
  }

  /** How many operations the client has started. */
  startedBy(client: DiskIoClient): number {
    return this.#startedBy.get(client) ?? 0;
  }

  /** From now on reads of these clients from the destination now and then bring something else. */
  garbleReads(random: Random, isMet: (client: DiskIoClient) => boolean): void {
    this.#garbles = ({ disk, client }) => disk === destination && isMet(client) && random.chance(garbleChance);
  }

  /** For undo, the only one that may. */
  allowWritesToSource(): void {
    this.#maySourceBeWritten = true;
  }

  /** Its mask is being taken away, or is back. */
  allowIdentity(disk: Disk, isAllowed: boolean): void {
    this.#mayShow[disk] = isAllowed;
  }

  /** Whether an operation has been started that changes the source. */
  get isSourceWritten(): boolean {
    return this.#isSourceWritten;
  }

  read(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#start('read', disk, offsets[tag] as number, lengthBytes, buffer, false, client, tag);
  }

  write(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#start('write', disk, offsets[tag] as number, lengthBytes, buffer, fua, client, tag);
  }

  flush(disk: Disk, client: DiskIoClient, tag: number): void {
    this.#start('flush', disk, 0, 0, 0, false, client, tag);
  }

  writeZeroes(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#start('zeroes', disk, offsets[tag] as number, lengthBytes, 0, fua, client, tag);
  }

  discard(disk: Disk, offsets: Offsets, lengthBytes: number, client: DiskIoClient, tag: number): void {
    this.#start('discard', disk, offsets[tag] as number, lengthBytes, 0, false, client, tag);
  }

  #start(
    kind: DiskOperation,
    disk: Disk,
    offsetBytes: number,
    lengthBytes: number,
    buffer: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    const operation: Operation = {
      kind,
      disk,
      firstSector: Math.floor(offsetBytes / sectorBytes),
      sectorCount: Math.floor(lengthBytes / sectorBytes),
      buffer,
      fua,
      client,
      tag,
      covered: this.#disks[disk].beginFlush(),
      transferred: 0,
    };
    if (disk === source && kind !== 'read' && kind !== 'flush') this.#isSourceWritten = true;
    this.#startedBy.set(client, this.startedBy(client) + 1);
    this.#note(operation, 'starts');
    if (kind !== 'flush' && !this.#isAllowed(operation, offsetBytes, lengthBytes)) return;
    this.#schedule(operation);
  }

  #isAllowed(operation: Operation, offsetBytes: number, lengthBytes: number): boolean {
    const { kind, disk, firstSector, sectorCount } = operation;
    const unit = this.#options.logicalBlockBytes;
    const refuse = (why: string): boolean => {
      const where = `${lengthBytes} bytes at ${offsetBytes} of the ${diskNames[disk]}`;
      this.#options.report(new Violation(`${kind} of ${where}: ${why}`, firstSector));
      return false;
    };
    const isInBlocks = lengthBytes > 0 && offsetBytes % unit === 0 && lengthBytes % unit === 0;
    if (!isInBlocks) return refuse('not in logical blocks');
    if (firstSector + sectorCount > this.#sectorCount)
      return refuse("reaches behind the virtual device's end");
    if (kind !== 'read' && disk === source && !this.#maySourceBeWritten)
      return refuse('the source is never written');
    return true;
  }

  #schedule(operation: Operation): void {
    const { scheduler, random, faults, temper } = this.#options;
    const { kind, disk, firstSector, sectorCount } = operation;
    const fails = faults.fails(kind, disk, firstSector, sectorCount);
    const stallUs = random.chance(temper.stallChance) ? temper.stallUs : 0;
    const delayUs = 1 + random.share() * temper.longestUs + stallUs;
    if (random.chance(0.3)) {
      const upTo = random.between(0, sectorCount);
      scheduler.after(delayUs * random.share(), () => this.#transfer(operation, upTo));
    }
    scheduler.after(delayUs, () => this.#end(operation, fails));
  }

  #end(operation: Operation, fails: boolean): void {
    const { random } = this.#options;
    const disk = this.#disks[operation.disk];
    if (operation.kind === 'flush') {
      if (fails) disk.failFlush(operation.covered);
      else disk.endFlush(operation.covered);
    } else if (!fails) {
      this.#transfer(operation, operation.sectorCount);
    } else {
      this.#transfer(operation, random.between(operation.transferred, operation.sectorCount));
      // Where a disk has no FUA of its own, what failed may have been the flush behind the write.
      if (operation.fua) disk.failFlush(operation.covered);
    }
    this.#note(operation, fails ? 'fails' : 'done');
    operation.client.diskOperationDone(operation.tag, fails ? ioError : 0);
  }

  /** Moves the sectors that have not moved yet, up to `upTo`. */
  #transfer(operation: Operation, upTo: number): void {
    const from = operation.transferred;
    if (upTo <= from) return;
    operation.transferred = upTo;
    const { pool } = this.#options;
    const disk = this.#disks[operation.disk];
    const first = operation.firstSector + from;
    const buffer = operation.buffer + from * sectorBytes;
    if (operation.kind === 'read') {
      const isGarbled = this.#garbles(operation);
      pool.fill(buffer, upTo - from, (index) =>
        isGarbled ? garbageStamp(first + index) : disk.stampOf(first + index),
      );
    }
    else this.#change(operation, first, buffer, upTo - from);
  }

  #change({ kind, disk, fua }: Operation, firstSector: number, buffer: number, sectorCount: number): void {
    const { pool, random } = this.#options;
    const stamps = new Uint32Array(sectorCount);
    const left = random.pick(['what was there', 'zeroes', 'junk']);
    if (kind === 'discard' && left === 'what was there') return;
    for (let index = 0; index < sectorCount; index += 1) {
      if (kind === 'write') stamps[index] = pool.stampAt(buffer + index * sectorBytes);
      else stamps[index] = kind === 'discard' && left === 'junk' ? junkStamp(firstSector + index) : zeroes;
    }
    if (stamps.includes(unfilled))
      this.#reportUnfilled(diskNames[disk], firstSector + stamps.indexOf(unfilled));
    if (!this.#mayShow[disk]) this.#checkMasked(disk, firstSector, stamps);
    this.#disks[disk].write(firstSector, stamps, fua);
  }

  #checkMasked(disk: Disk, firstSector: number, stamps: Uint32Array): void {
    const { guard, report } = this.#options;
    const index = stamps.findIndex((stamp, at) => guard.isIdentity(firstSector + at, stamp));
    if (index >= 0)
      report(new Violation(`the ${diskNames[disk]} shows an identity`, firstSector + index));
  }

  #reportUnfilled(disk: string, sector: number): void {
    const message = `write to the ${disk} from a buffer that is not, or no longer, filled`;
    this.#options.report(new Violation(message, sector));
  }

  #note(operation: Operation, what: string): void {
    const { kind, disk, firstSector, sectorCount, client, fua } = operation;
    const who = this.#clientNames.get(client) ?? 'engine';
    const name = `${diskNames[disk]}: ${kind}${fua ? ' with FUA' : ''} ${what}`;
    if (kind === 'flush') this.history?.noteAll(who, name);
    else this.history?.note(firstSector, sectorCount, who, name);
  }
}
