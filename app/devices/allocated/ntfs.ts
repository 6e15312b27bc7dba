/**
 * Free clusters of NTFS, from partclone's domain map. Trusted only when the volume is not flagged (dirty, or
 * anything else), its log holds nothing to replay, Windows is not hibernated or "fast started" on it, and
 * ntfsinfo counts the same free space. All of these tools read only (libntfs-3g mounts them so).
 */
import { runProgram, runProgramHead } from '../program.ts';
import { readDomainMap } from './domain-map.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn, toolFailed } from './unknown.ts';

const logFileInode = '2';

// From libntfs-3g's logfile.h (RESTART_PAGE_HEADER, RESTART_AREA): two pages, of which the younger one is
// valid.
const restartPageBytes = 4096;
const areaOffsetAt = 24;
const clientInUseListAt = 12;
const areaFlagsAt = 14;
const noClient = 0xffff;
const volumeIsClean = 0x0002;

export async function readNtfsFree(path: string, free: FreeExtents): Promise<void> {
  const info = await runProgram('ntfsinfo', ['--mft', path]);
  // It refuses volumes that are marked for a check or were not unmounted cleanly. Advice follows the reason.
  if (info.exitCode !== 0) {
    const [reason = ''] = info.stderr.split('\n');
    throw toolFailed('ntfsinfo', { ...info, stderr: reason });
  }
  if (!/^\s*Volume Flags: 0x0000\b/m.test(info.stdout)) {
    throw new AllocationUnknown('the NTFS volume is flagged by Windows: let chkdsk look at it');
  }
  const log = await runProgramHead('ntfscat', ['--inode', logFileInode, path], 2 * restartPageBytes);
  if (!isLogClean(log)) {
    throw new AllocationUnknown('the NTFS log holds changes: shut Windows down completely');
  }
  const hibernation = await runProgramHead('ntfscat', [path, 'hiberfil.sys'], 4);
  if (hibernation.toString('latin1').toLowerCase() === 'hibr') {
    throw new AllocationUnknown('Windows is hibernated on the NTFS volume: shut it down completely');
  }
  await readDomainMap('partclone.ntfs', path, free);
  const clusterBytes = numberIn(info.stdout, /^\s*Cluster Size: (\d+)/m, 'cluster size');
  const freeClusters = numberIn(info.stdout, /^\s*Free Clusters: (\d+)/m, 'free clusters');
  assertAgreement(free.addedBytes, freeClusters * clusterBytes);
}

/** `log` is the start of $LogFile, two restart pages. An empty log is all ones. */
export function isLogClean(log: Buffer): boolean {
  if (log.length < 2 * restartPageBytes) return false;
  if (log.every((byte) => byte === 0xff)) return true;
  const pages = [log.subarray(0, restartPageBytes), log.subarray(restartPageBytes)].flatMap(readRestartPage);
  const younger = pages.sort((one, other) => (one.sequence < other.sequence ? 1 : -1))[0];
  return younger?.isClean ?? false;
}

function readRestartPage(page: Buffer): { readonly sequence: bigint; readonly isClean: boolean }[] {
  const area = page.readUInt16LE(areaOffsetAt);
  if (page.toString('latin1', 0, 4) !== 'RSTR' || area + areaFlagsAt + 2 > page.length) return [];
  const hasClients = page.readUInt16LE(area + clientInUseListAt) !== noClient;
  const isFlaggedClean = (page.readUInt16LE(area + areaFlagsAt) & volumeIsClean) !== 0;
  return [{ sequence: page.readBigInt64LE(area), isClean: !hasClients || isFlaggedClean }];
}
