/**
 * Both disks as the engine sees them: with their identities hidden in transit (masked-disk-io.ts), and what
 * shows or hides one of them while it is served (mask-change.ts).
 */
import type { BufferPool } from '../base/buffer-pool.ts';
import type { DiskIo } from '../devices/disk-io.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import { MaskedDiskIo, maskedIoPoolBytes } from '../devices/masked-disk-io.ts';
import { diskOperationsMax } from '../devices/ring-disk-io.ts';
import type { RangesInFlight } from '../flags/ranges-in-flight.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import type { MaskChangeOptions, WantedMask } from './mask-change.ts';
import { MaskChange, maskChangePoolBytes } from './mask-change.ts';

export const guardedDisksPoolBytes = maskedIoPoolBytes + maskChangePoolBytes;

export interface GuardedDisksOptions extends Pick<MaskChangeOptions, 'durableWriteFailed' | 'mayHaveLost'> {
  /** The disks themselves. */
  readonly io: DiskIo;
  readonly pool: BufferPool;
  readonly ranges: RangesInFlight;
  readonly geometry: DeviceGeometry;
}

export class GuardedDisks {
  /** For everybody. */
  readonly io: DiskIo;
  readonly #change: MaskChange;

  constructor({ geometry, ranges, durableWriteFailed, mayHaveLost, ...disks }: GuardedDisksOptions) {
    const { sizeBytes, logicalBlockBytes } = geometry;
    const places = new GuardPlaces(sizeBytes);
    const masked = new MaskedDiskIo({ ...disks, places, logicalBlockBytes, operationsMax: diskOperationsMax });
    this.io = masked;
    const losses = { durableWriteFailed, mayHaveLost };
    this.#change = new MaskChange({ ...disks, ...losses, places, logicalBlockBytes, masked, ranges });
  }

  /** One at a time. `done` gets 0 when the whole disk is so, durably, or an errno as a negative number. */
  changeMask(wanted: WantedMask, done: (result: number) => void): void {
    this.#change.start(wanted, done);
  }
}
