/**
 * How large the volume on a disk is, as what identifies it says: a disk may be larger than the volume that was
 * moved there, and what lies at the volume's end is then not at the disk's.
 */
import { sectorBytes } from '../base/units.ts';
import type { PlainDisk } from './disk-mask.ts';
import { visitPlaces } from './disk-mask.ts';
import type { GuardPlaces } from './guard-places.ts';
import { invertSector } from './guard-places.ts';

/** By libblkid's type: from the sector as it stands when it shows, and where that begins on the disk. */
const sizeIn: Readonly<Record<string, (sector: DataView, offsetBytes: number) => number>> = {
  // UEFI 2.10, 5.3.2: the header in the second block names the block of its backup, which is the last.
  gpt: (sector, blockBytes) => (Number(sector.getBigUint64(32, true)) + 1) * blockBytes,
  // Linux, include/uapi/linux/nilfs2_ondisk.h, s_dev_size.
  nilfs2: (sector) => Number(sector.getBigUint64(32, true)),
};

/** Those that are no larger than the disk; hidden or not. `places` are those of the disk's own size. */
export function volumeSizes(disk: PlainDisk, places: GuardPlaces): number[] {
  const sizes = new Set<number>();
  visitPlaces(disk, places, (place, state, bytes, at) => {
    const size = sizeIn[places.typeOf(place, bytes, at) ?? ''];
    if (state === 'other' || size === undefined) return false;
    const sector = bytes.slice(at, at + sectorBytes);
    if (state === 'masked') invertSector(sector, 0);
    sizes.add(size(new DataView(sector.buffer), places.offsetOf(place)));
    return false;
  });
  return [...sizes].filter((size) => size > 0 && size <= places.sizeBytes && size % sectorBytes === 0);
}
