/**
 * DiskIo for tests of single steps: it keeps what was started, and the test ends each operation when and how
 * it likes. Disks have no content; a test that needs some puts it into the pool before it ends a read.
 */
import type { Disk, DiskIo, DiskIoClient, Offsets } from '../../../app/devices/disk-io.ts';
import { source } from '../../../app/devices/disk-io.ts';

interface Started {
  /** For comparing: "write destination 4096+512 fua". */
  readonly text: string;
  readonly buffer: number;
  readonly client: DiskIoClient;
  readonly tag: number;
}

export class SteppedDiskIo implements DiskIo {
  #started: Started[] = [];
  #failure: Error | undefined;
  #startsLeft = 0;

  /** What has been started and not ended, in the order of the starts. */
  get underWay(): string[] {
    return this.#started.map(({ text }) => text);
  }

  /** Ends the oldest operation with this text. Returns the buffer that it used. */
  end(text: string, result = 0): number {
    const index = this.#started.findIndex((started) => started.text === text);
    const [started] = this.#started.splice(index, index < 0 ? 0 : 1);
    if (started === undefined) throw new Error(`not under way: ${text}; but: ${this.underWay.join(', ')}`);
    started.client.diskOperationDone(started.tag, result);
    return started.buffer;
  }

  /** Ends whatever is under way, and what that starts, until nothing is. */
  endAll(): void {
    for (let text = this.underWay[0]; text !== undefined; text = this.underWay[0]) this.end(text);
  }

  /** From the start after `starts` more on, every start throws, as it would when no operation is left. */
  failAfter(starts: number, failure: Error): void {
    this.#failure = failure;
    this.#startsLeft = starts;
  }

  bufferOf(text: string): number {
    const started = this.#started.find((other) => other.text === text);
    if (started === undefined) throw new Error(`not under way: ${text}`);
    return started.buffer;
  }

  read(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#start(`read ${nameOf(disk)} ${offsets[tag]}+${lengthBytes}`, buffer, client, tag);
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
    this.#start(
      `write ${nameOf(disk)} ${offsets[tag]}+${lengthBytes}${fua ? ' fua' : ''}`,
      buffer,
      client,
      tag,
    );
  }

  flush(disk: Disk, client: DiskIoClient, tag: number): void {
    this.#start(`flush ${nameOf(disk)}`, 0, client, tag);
  }

  writeZeroes(
    disk: Disk,
    offsets: Offsets,
    lengthBytes: number,
    fua: boolean,
    client: DiskIoClient,
    tag: number,
  ): void {
    this.#start(`zero ${nameOf(disk)} ${offsets[tag]}+${lengthBytes}${fua ? ' fua' : ''}`, 0, client, tag);
  }

  discard(disk: Disk, offsets: Offsets, lengthBytes: number, client: DiskIoClient, tag: number): void {
    this.#start(`discard ${nameOf(disk)} ${offsets[tag]}+${lengthBytes}`, 0, client, tag);
  }

  #start(text: string, buffer: number, client: DiskIoClient, tag: number): void {
    if (this.#failure !== undefined && this.#startsLeft === 0) throw this.#failure;
    this.#startsLeft -= 1;
    this.#started.push({ text, buffer, client, tag });
  }
}

function nameOf(disk: Disk): string {
  return disk === source ? 'source' : 'destination';
}
