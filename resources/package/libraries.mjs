/**
 * Which C and C++ libraries the packaged programs need at least: what they name among the versions of their symbols. A
 * package built on a new system is thus refused by an older one, instead of failing there when a disk is to be moved.
 */
import { lstatSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../setup/step.mjs';

const elf = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const glibcSymbols = /GLIBC_2\.(\d+)/g;
const libstdcxxSymbols = /GLIBCXX_3\.4\.(\d+)/g;

/** The first GCC that came with each, which is what libstdc++6 is called by: libstdc++'s manual, "ABI Policy". */
const gccOf = { 25: '8', 26: '9', 27: '9.2', 28: '9.3', 29: '11', 30: '12', 31: '13', 32: '13.2', 33: '14', 34: '15' };
/** All that Debian and Ubuntu still have are newer. */
const oldest = 24;

/** Links lead to the files of whoever builds. */
function* programsIn(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (!lstatSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    if (bytes.subarray(0, elf.length).equals(elf)) yield bytes.toString('latin1');
  }
}

function highest(symbols, programs) {
  return Math.max(0, ...programs.flatMap((bytes) => [...bytes.matchAll(symbols)].map(([, minor]) => Number(minor))));
}

/** As a deb depends on them. */
export function librariesFor(folder) {
  const programs = [...programsIn(folder)];
  const glibc = highest(glibcSymbols, programs);
  if (glibc === 0) throw new SetupError(`${folder}: there is no program in it`);
  const libstdcxx = highest(libstdcxxSymbols, programs);
  const gcc = libstdcxx <= oldest ? undefined : gccOf[libstdcxx];
  if (libstdcxx > oldest && gcc === undefined)
    throw new SetupError(`libraries.mjs does not know which GCC has brought GLIBCXX_3.4.${libstdcxx}`);
  return [`libc6 (>= 2.${glibc})`, gcc === undefined ? 'libstdc++6' : `libstdc++6 (>= ${gcc})`];
}
