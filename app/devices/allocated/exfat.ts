/**
 * Free clusters of exFAT, from partclone's domain map. Trusted only when the volume is not flagged
 * (fsck.exfat takes a volume that is in use for a clean one), fsck.exfat finds it clean, and dump.exfat
 * counts the same free space. dump.exfat claims a block device, which at the start of a job is claimed
 * already: it gets its own way there.
 */
import { open, stat } from 'node:fs/promises';
import type { ProgramResult } from '../program.ts';
import { runProgram } from '../program.ts';
import { withReadOnlyLoop } from '../read-only-loop.ts';
import { readDomainMap } from './domain-map.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn, toolFailed } from './unknown.ts';

/** VolumeFlags in the boot sector (exFAT specification, 3.1.13): other FAT active, dirty, media failure. */
const volumeFlagsAt = 106;

export async function readExfatFree(path: string, free: FreeExtents): Promise<void> {
  if ((await readVolumeFlags(path)) !== 0) {
    throw new AllocationUnknown('the exFAT volume is marked as in use or failing: check it with fsck.exfat');
  }
  const check = await runProgram('fsck.exfat', ['-n', path]);
  if (check.exitCode !== 0 || !/: clean\./.test(check.stdout)) {
    throw new AllocationUnknown('fsck.exfat finds something to repair on the exFAT file system');
  }
  await readDomainMap('partclone.exfat', path, free);
  const { exitCode, stdout, stderr } = await dump(path);
  if (exitCode !== 0) throw toolFailed('dump.exfat', { exitCode, stderr });
  const clusterBytes = numberIn(stdout, /^Cluster size:\s+(\d+)$/m, 'cluster size');
  const freeClusters = numberIn(stdout, /^Free Clusters:\s+(\d+)$/m, 'free clusters');
  assertAgreement(free.addedBytes, freeClusters * clusterBytes);
}

async function dump(path: string): Promise<ProgramResult> {
  const run = (given: string): Promise<ProgramResult> => runProgram('dump.exfat', [given]);
  return (await stat(path)).isBlockDevice() ? withReadOnlyLoop(path, run) : run(path);
}

async function readVolumeFlags(path: string): Promise<number> {
  const handle = await open(path, 'r');
  try {
    const flags = Buffer.alloc(2);
    await handle.read(flags, 0, flags.length, volumeFlagsAt);
    return flags.readUInt16LE();
  } finally {
    await handle.close();
  }
}
