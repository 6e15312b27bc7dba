/**
 * partclone's domain map: a text in GNU ddrescue's format that covers the file system from its first byte to
 * its last, `+` for used and `?` for free. Written to a temporary file, because partclone also talks on
 * stdout.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../program.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, toolFailed } from './unknown.ts';

/** @param program partclone.ntfs, partclone.vfat, … */
export async function readDomainMap(program: string, path: string, free: FreeExtents): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-map-'));
  try {
    const map = join(folder, 'domain.map');
    const options = ['--domain', '--source', path, '--output', map, '--logfile', '/dev/null', '--quiet'];
    const { exitCode, stderr } = await runProgram(program, options);
    if (exitCode !== 0) throw toolFailed(program, { exitCode, stderr });
    parseDomainMap(await readFile(map, 'utf8'), free);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Every line must follow the one before without a gap; anything unexpected makes the whole map worthless. */
export function parseDomainMap(text: string, free: FreeExtents): void {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  let position = 0;
  // The first line is ddrescue's current position and status, not a range.
  for (const line of lines.slice(1)) {
    const match = /^0x([0-9A-F]+)\s+0x([0-9A-F]+)\s+([+?])$/i.exec(line.trim());
    const offsetBytes = parseInt(match?.[1] ?? '', 16);
    const lengthBytes = parseInt(match?.[2] ?? '', 16);
    if (match === null || offsetBytes !== position) {
      throw new AllocationUnknown(`partclone's map has an unexpected line: ${line}`);
    }
    if (match[3] === '?') free.add(offsetBytes, lengthBytes);
    position = offsetBytes + lengthBytes;
  }
}
