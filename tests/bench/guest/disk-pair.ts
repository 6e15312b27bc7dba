/**
 * Two disks alike: what lies on the one goes to the other and, in the next round, back. Whoever moves it
 * copies the whole disk with its label; the label that is left behind is wiped, so that the system always
 * knows one.
 */
import { open } from 'node:fs/promises';
import { mebibyte } from '../../../app/base/units.ts';
import type { BenchDisk } from '../bench-disks.ts';
import type { Disks } from '../peers/copy-tools.ts';

/** Of LVM as of LUKS. */
const labelBytesMax = mebibyte;

export class DiskPair implements Disks {
  /** On a third disk: no job keeps the state of disks that are none of files in memory. */
  readonly stateDirectory: string;
  #source: BenchDisk;
  #destination: BenchDisk;

  constructor({ source, destination }: Disks, stateDirectory: string) {
    this.stateDirectory = stateDirectory;
    this.#source = source;
    this.#destination = destination;
  }

  get source(): BenchDisk {
    return this.#source;
  }

  get destination(): BenchDisk {
    return this.#destination;
  }

  /** All lies on the destination, and nobody between. */
  async haveSwapped(): Promise<void> {
    [this.#source, this.#destination] = [this.#destination, this.#source];
    await this.wipeDestination();
  }

  async wipeDestination(): Promise<void> {
    const disk = await open(this.#destination.path, 'r+');
    try {
      await disk.write(Buffer.alloc(labelBytesMax), 0, labelBytesMax, 0);
      await disk.sync();
    } finally {
      await disk.close();
    }
  }
}
