/**
 * Free clusters of FAT16 and FAT32, from partclone's domain map. Trusted only when fsck.fat finds nothing to
 * repair (which includes the dirty flag) and counts the same free space. FAT12 is left out: partclone reads
 * its 12-bit entries as 16-bit ones.
 */
import { runProgram } from '../program.ts';
import { readDomainMap } from './domain-map.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn } from './unknown.ts';

export async function readFatFree(path: string, free: FreeExtents): Promise<void> {
  const check = await runProgram('fsck.fat', ['-n', '-v', path]);
  if (check.exitCode !== 0) {
    throw new AllocationUnknown('fsck.fat finds something to repair on the FAT file system');
  }
  const entryBits = numberIn(check.stdout, /FATs?, (\d+) bit entries/, 'kind of FAT');
  if (entryBits !== 16 && entryBits !== 32) throw new AllocationUnknown('free space of FAT12 cannot be told');
  await readDomainMap('partclone.vfat', path, free);
  const clusterBytes = numberIn(check.stdout, /^\s*(\d+) bytes per cluster$/m, 'cluster size');
  const usedClusters = numberIn(check.stdout, /, (\d+)\/\d+ clusters$/m, 'used clusters');
  const allClusters = numberIn(check.stdout, /, \d+\/(\d+) clusters$/m, 'clusters');
  assertAgreement(free.addedBytes, (allClusters - usedClusters) * clusterBytes);
}
