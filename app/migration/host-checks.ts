/**
 * What the machine must offer: memory for the flags, a frontend, io_uring. And what this version does not
 * offer yet: going on after a crash or power cut with real disks. Pure; each check returns the first
 * objection.
 */
import prettyBytes from 'pretty-bytes';
import { DiskferryError } from '../base/error.ts';
import { blockBytes, mebibyte } from '../base/units.ts';
import type { FrontendName } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import type { KernelPart } from '../devices/kernel-part.ts';
import type { Objection } from './disk-checks.ts';
import type { HostFacts } from './facts.ts';
import { isImage } from './state-checks.ts';

/** Three flags a block: flagged, written, copied; and to verify, 12 bytes for each 256 blocks. */
const flagBitsPerBlock = 3.375;
/** Request slots, copy buffers and the runtime itself, whatever the size of the disk. */
const fixedMemoryBytes = 130 * mebibyte;

/** What a job over a disk of that size takes at most. */
export function neededMemoryBytes(sizeBytes: number): number {
  const flagBytes = Math.ceil((Math.ceil(sizeBytes / blockBytes) * flagBitsPerBlock) / 8);
  return flagBytes + fixedMemoryBytes;
}

export function memoryObjection(host: HostFacts, source: DiskFacts): Objection {
  const neededBytes = neededMemoryBytes(source.sizeBytes);
  if (neededBytes <= host.availableMemoryBytes) return undefined;
  const [needed, available] = [neededBytes, host.availableMemoryBytes].map((bytes) =>
    prettyBytes(bytes, { binary: true }),
  );
  return new DiskferryError(
    'memory-too-small',
    `${source.path}: a disk of this size needs ${needed} of memory for its flags, ${available} are available`,
    { context: { device: source.path, neededBytes, availableBytes: host.availableMemoryBytes } },
  );
}

/** What keeps the frontend from working here. Root is asked for later. */
export function frontendObjection(host: HostFacts, frontend: FrontendName, isMounted: boolean): Objection {
  if (frontend === 'nbd-socket') {
    return isMounted
      ? new DiskferryError(
          'no-frontend',
          'nbd-socket: makes no block device on which a mounted source could go on',
        )
      : undefined;
  }
  return frontend === 'fuse' ? fuseObjection(host) : kernelObjection(host, frontend);
}

function kernelObjection(host: HostFacts, part: KernelPart): Objection {
  const offer = host.kernelOffers[part];
  return offer.state === 'missing' ? new DiskferryError('no-frontend', `${part}: ${offer.why}`) : undefined;
}

function fuseObjection(host: HostFacts): Objection {
  const missing = [
    host.hasFuse ? [] : ['/dev/fuse'],
    host.hasLoopControl ? [] : ['/dev/loop-control'],
  ].flat();
  if (missing.length === 0) return undefined;
  return new DiskferryError('no-frontend', `fuse: ${missing.join(' and ')} is missing on this system`, {
    context: { missing },
  });
}

export function ioUringObjection(host: HostFacts, needsRoot: boolean): Objection {
  const isAllowed =
    host.ioUringDisabled === 0 || (host.ioUringDisabled === 1 && (needsRoot || host.userId === 0));
  if (isAllowed) return undefined;
  return new DiskferryError(
    'no-io-uring',
    `io_uring: kernel.io_uring_disabled is ${host.ioUringDisabled} on this system`,
  );
}

export function journalObjection(inventory: Inventory, disk: Pick<DiskFacts, 'path' | 'storage'>): Objection {
  if (isImage(inventory, disk)) return undefined;
  return new DiskferryError(
    'no-journal-yet',
    `${disk.path}: this version has been tried on image files and loop devices only; what udev and systemd do when a ` +
      'real disk loses and regains what identifies it has not been tried enough',
    { context: { device: disk.path } },
  );
}
