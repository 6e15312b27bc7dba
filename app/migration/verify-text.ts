/** What a verification has found wrong on the destination, as sentences for people. */
import type { Extent } from '../base/units.ts';
import type { VerifyResult } from '../copy/verify-loop.ts';

/** So many places are named. */
const namedMax = 5;

export function repairedText(destination: string, { repairedBytes, repaired }: VerifyResult): string {
  return (
    `${destination}: ${repairedBytes} bytes were not what had been written (${placesOf(repaired)}); they were ` +
    "written again from the source and are right now; check the destination's cable and health (smartctl)"
  );
}

export function differsText(destination: string, { failedBytes, failed }: VerifyResult): string {
  return (
    `${destination}: ${failedBytes} bytes are not what was copied to it (${placesOf(failed)}) and could not be ` +
    'repaired'
  );
}

function placesOf(extents: readonly Extent[]): string {
  const named = extents
    .slice(0, namedMax)
    .map(({ offsetBytes, lengthBytes }) => `${lengthBytes} at ${offsetBytes}`);
  return [...named, ...(extents.length > namedMax ? ['and more'] : [])].join(', ');
}
