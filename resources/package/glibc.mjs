/**
 * Which C library the packaged programs need at least: what they name among the versions of its symbols. A package
 * built on a new system is thus refused by an older one, instead of failing there when a disk is to be moved.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const elf = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

function* programsIn(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const bytes = readFileSync(path);
    if (bytes.subarray(0, elf.length).equals(elf)) yield { path, bytes };
  }
}

function highestMinor(bytes) {
  return Math.max(0, ...[...bytes.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)));
}

/** `version` such as '2.34', and the path of the program that needs it. */
export function glibcOf(folder) {
  let needs = { minor: 0, path: '' };
  for (const { path, bytes } of programsIn(folder)) {
    const minor = highestMinor(bytes);
    if (minor > needs.minor) needs = { minor, path };
  }
  if (needs.minor === 0) throw new Error(`${folder}: there is no program in it`);
  return { version: `2.${needs.minor}`, path: needs.path };
}
