/**
 * Where a journal is written, for tests of single steps: it keeps what was started, and the test ends each
 * operation when and how it likes. What has ended stands in `bytes`, which recovery can read.
 */
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import type { DiskIoClient, JournalIo, Offsets } from '../../../app/devices/disk-io.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { Journal, journalPoolBytes, logBytesLeast } from '../../../app/journal/journal.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import type { JournalIdentity, JournalLayout } from '../../../app/journal/layout.ts';
import { headerOffset, layoutOf, logOffset, mapsOffset, unitBytes } from '../../../app/journal/layout.ts';
import { firstHeader, newJournalPosition } from '../../../app/journal/new-journal.ts';
import type { RunKind } from '../../../app/journal/record.ts';
import { runKinds } from '../../../app/journal/record.ts';
import type { JournalReader, RecoveredJournal } from '../../../app/journal/recovery.ts';
import { recoverJournal } from '../../../app/journal/recovery.ts';
import { identityOf } from './made-journal.ts';

interface Started {
  readonly text: string;
  readonly client: DiskIoClient;
  readonly tag: number;
  readonly apply: () => void;
}

export class SteppedJournal implements JournalIo, JournalReader {
  readonly identity: JournalIdentity;
  readonly layout: JournalLayout;
  readonly bytes: Uint8Array;
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly journal: Journal;
  /** What the rounds were told, in order. */
  readonly told: string[] = [];
  readonly #pool: BufferPool;
  #started: Started[] = [];

  constructor(blockCount: number, { runsMax = 100, extraLogUnits = 8 } = {}) {
    const logBytes = logBytesLeast(runsMax) + extraLogUnits * unitBytes;
    this.identity = identityOf(blockCount);
    this.layout = layoutOf(this.identity.sizeBytes, logBytes);
    this.bytes = new Uint8Array(this.layout.journalBytes);
    this.bytes.set(firstHeader(this.identity, logBytes));
    this.flags = new FlagMap(blockCount);
    this.written = new FlagMap(blockCount);
    this.#pool = new BufferPool(journalPoolBytes(runsMax), () => 0);
    this.journal = new Journal({
      io: this,
      pool: this.#pool,
      identity: this.identity,
      logBytes,
      position: newJournalPosition,
      phase: jobPhases.copying,
      flags: this.flags,
      written: this.written,
      runsMax,
    });
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  get underWay(): string[] {
    return this.#started.map(({ text }) => text);
  }

  /** Changes the maps as router and copy loop do. */
  set(kind: RunKind, first: number, end: number): void {
    if (kind === runKinds.returned) this.written.clearRange(first, end);
    else this.flags.setRange(first, end);
    if (kind === runKinds.written) this.written.setRange(first, end);
    this.journal.note(kind, first, end);
  }

  prepare(): void {
    this.journal.prepare({
      journalPrepared: (result) => this.told.push(`prepared ${result}`),
      journalCommitted: (result) => this.told.push(`committed ${result}`),
    });
  }

  /** A whole round. */
  round(): void {
    this.prepare();
    this.endAll();
    this.journal.commit();
    this.endAll();
  }

  /** Ends the oldest operation with this text. */
  end(text: string, result = 0): void {
    const index = this.#started.findIndex((started) => started.text === text);
    const [started] = this.#started.splice(index, index < 0 ? 0 : 1);
    if (started === undefined) throw new Error(`not under way: ${text}; but: ${this.underWay.join(', ')}`);
    if (result === 0) started.apply();
    started.client.diskOperationDone(started.tag, result);
  }

  endAll(): void {
    for (let text = this.underWay[0]; text !== undefined; text = this.underWay[0]) this.end(text);
  }

  recover(): RecoveredJournal {
    const result = recoverJournal(this, this.identity);
    if (result.kind === 'refused') throw new Error(`refused: ${result.reason}`);
    return result;
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    return this.bytes.slice(offsetBytes, offsetBytes + lengthBytes);
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
    const offset = offsets[tag] as number;
    const apply = (): void => this.bytes.set(this.#pool.bytes.subarray(buffer, buffer + lengthBytes), offset);
    this.#started.push({ text: `${this.#placeOf(offset)}${fua ? ' durably' : ''}`, client, tag, apply });
  }

  flush(_store: 2, client: DiskIoClient, tag: number): void {
    this.#started.push({ text: 'sync', client, tag, apply: () => {} });
  }

  #placeOf(offset: number): string {
    for (const slot of [1, 0] as const) {
      if (offset >= logOffset(this.layout, slot))
        return `log ${slot} at ${(offset - logOffset(this.layout, slot)) / unitBytes}`;
    }
    for (const slot of [1, 0] as const) if (offset >= mapsOffset(this.layout, slot)) return `maps ${slot}`;
    return offset === headerOffset(0) ? 'header 0' : 'header 1';
  }
}
