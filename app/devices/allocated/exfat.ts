/**
 * Free clusters of exFAT, from partclone's domain map. Trusted only when fsck.exfat finds the volume clean
 * and dump.exfat counts the same free space.
 */
import { runProgram } from '../program.ts';
import { readDomainMap } from './domain-map.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn } from './unknown.ts';

export async function readExfatFree(path: string, free: FreeExtents): Promise<void> {
  const check = await runProgram('fsck.exfat', ['-n', path]);
  if (check.exitCode !== 0 || !/: clean\./.test(check.stdout)) {
    throw new AllocationUnknown('fsck.exfat finds something to repair on the exFAT file system');
  }
  await readDomainMap('partclone.exfat', path, free);
  const { stdout } = await runProgram('dump.exfat', [path]);
  const clusterBytes = numberIn(stdout, /^Cluster size:\s+(\d+)$/m, 'cluster size');
  const freeClusters = numberIn(stdout, /^Free Clusters:\s+(\d+)$/m, 'free clusters');
  assertAgreement(free.addedBytes, freeClusters * clusterBytes);
}
