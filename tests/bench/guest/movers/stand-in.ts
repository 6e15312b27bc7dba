/**
 * A device-mapper device of the whole disk that stands below the volume while it moves, as the virtual device
 * does: linear on the source, then what copies, then linear on the destination.
 */
import { sectorBytes } from '../../../../app/base/units.ts';
import type { Bench } from '../../benchmark.ts';
import { changeTable, createDevice } from '../dmsetup.ts';
import type { MovedVolume } from '../moved-volume.ts';

const name = 'bench-stand-in';

export class StandIn {
  readonly name = name;
  readonly #volume: MovedVolume;

  static async put(part: Bench, volume: MovedVolume): Promise<StandIn> {
    const standIn = new StandIn(volume);
    await volume.lieOn(await createDevice(part, name, standIn.#linearOn(volume.disks.source.path)));
    return standIn;
  }

  private constructor(volume: MovedVolume) {
    this.#volume = volume;
  }

  /** `target`: its name and parameters. */
  async become(target: string): Promise<void> {
    await changeTable(name, `0 ${this.sectors} ${target}`);
  }

  /** The volume lies on a disk directly again. */
  async leave(path: string): Promise<void> {
    await changeTable(name, this.#linearOn(path));
    await this.#volume.lieOn(path);
  }

  get sectors(): number {
    return this.#volume.disks.source.sizeBytes / sectorBytes;
  }

  #linearOn(path: string): string {
    return `0 ${this.sectors} linear ${path} 0`;
  }
}
