/**
 * What source and destination must have in common, and must not. Pure; each check returns the first
 * objection.
 */
import prettyBytes from 'pretty-bytes';
import { DiskferryError } from '../base/error.ts';
import { sectorBytes } from '../base/units.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import type { Inventory } from '../devices/inventory.ts';
import { compareStorage } from '../devices/overlap.ts';
import type { Objection } from './disk-checks.ts';

/** Applies as well to a destination that does not exist yet: only these fields of it are known. */
export type DestinationShape = Pick<DiskFacts, 'path' | 'storage' | 'sizeBytes' | 'logicalBlockBytes'>;

export function storageObjection(
  inventory: Inventory,
  source: DiskFacts,
  destination: DestinationShape,
): Objection {
  const relation = compareStorage(inventory, source.storage, destination.storage);
  const context = { device: destination.path, source: source.path };
  if (relation === 'same') {
    return new DiskferryError('device-same', `${destination.path}: is the source itself`, { context });
  }
  if (relation === 'overlaps') {
    return new DiskferryError(
      'device-overlaps',
      `${destination.path}: shares storage with the source ${source.path}`,
      {
        context,
      },
    );
  }
  return undefined;
}

export function roomObjection(source: DiskFacts, destination: DestinationShape): Objection {
  const missingBytes = source.sizeBytes - destination.sizeBytes;
  if (missingBytes <= 0) return undefined;
  return new DiskferryError(
    'destination-too-small',
    `${destination.path}: has ${sizeText(destination.sizeBytes)}, ${missingBytes} bytes less than ` +
      `the source ${source.path} with ${sizeText(source.sizeBytes)}`,
    { context: { device: destination.path, source: source.path, missingBytes } },
  );
}

/**
 * Partition tables and file systems count in logical blocks, so content does not survive a change of them. A
 * file holds content of 512-byte blocks when it is the source, and takes on the source's blocks when it is
 * the destination.
 */
export function blockSizeObjection(source: DiskFacts, destination: DestinationShape): Objection {
  const sourceBytes = source.logicalBlockBytes ?? sectorBytes;
  const destinationBytes = destination.logicalBlockBytes ?? sourceBytes;
  const context = { device: destination.path, source: source.path };
  if (sourceBytes !== destinationBytes) {
    return new DiskferryError(
      'logical-block-size-differs',
      `${destination.path}: has logical blocks of ${destinationBytes} bytes, ` +
        `the source ${source.path} of ${sourceBytes}`,
      { context },
    );
  }
  if (destination.sizeBytes % sourceBytes === 0) return undefined;
  return new DiskferryError(
    'size-not-in-blocks',
    `${destination.path}: its size of ${destination.sizeBytes} bytes is no multiple of ${sourceBytes}`,
    { context: { ...context, multiple: sourceBytes } },
  );
}

function sizeText(sizeBytes: number): string {
  return `${prettyBytes(sizeBytes, { binary: true })} (${sizeBytes} bytes)`;
}
