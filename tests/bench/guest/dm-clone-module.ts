/**
 * Debian's cloud kernel has no dm-clone. Here it is built for the guest's kernel from Debian's own sources of
 * it, which are downloaded with apt-get and unpacked, never installed, and kept in the user's cache directory
 * like the kernel.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';
import { debianKernel } from '../../guest/debian-kernel.ts';

const metadataHeaders = [
  'bitset',
  'array',
  'btree',
  'space-map',
  'space-map-metadata',
  'block-manager',
  'transaction-manager',
];
const sources = [
  ...['dm-clone-target.c', 'dm-clone-metadata.c', 'dm-clone-metadata.h', 'dm.h', 'dm-stats.h'],
  ...metadataHeaders.map((name) => `persistent-data/dm-${name}.h`),
];
const makefile = 'obj-m := dm-clone.o\ndm-clone-y := dm-clone-target.o dm-clone-metadata.o\n';

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'diskferry', 'guest-modules');
}

/** The module's file. */
export async function dmCloneModule(): Promise<string> {
  const release = basename((await debianKernel()).modulesPath);
  const file = join(cacheFolder(), release, 'dm-clone.ko');
  if (!existsSync(file)) await build(release, file);
  return file;
}

async function build(release: string, file: string): Promise<void> {
  const folder = join(cacheFolder(), release);
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(cacheFolder(), 'building-'));
  try {
    await unpackPackages(release, scratch);
    await unpackSources(scratch);
    await compile(release, scratch);
    // In one step: another run must never see half of it.
    renameSync(join(scratch, 'linux-source-6.12/drivers/md/dm-clone.ko'), file);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** The release is such as 6.12.117+deb12-cloud-amd64; its headers are in three packages. */
async function unpackPackages(release: string, scratch: string): Promise<void> {
  const base = release.replace(/-cloud-.*$/, '');
  const headers = `linux-headers-${release}`;
  const shown = await runCommand(
    'apt-cache',
    ['show', '--no-all-versions', headers],
    `looking for ${headers}`,
  );
  const version = /^Version: (\S+)$/m.exec(shown)?.[1] ?? '';
  const others = [`linux-headers-${base}-common`, `linux-kbuild-${base}`, `linux-source-6.12=${version}`];
  const script =
    'cd "$1" && shift && apt-get download "$@" && for file in *.deb; do dpkg-deb -x "$file" . && rm "$file"; done';
  await runCommand(
    'sh',
    ['-c', script, 'sh', scratch, headers, ...others],
    "downloading the kernel's sources",
  );
}

/** Only what is needed, and no further than to the last of it. */
async function unpackSources(scratch: string): Promise<void> {
  const archive = join(scratch, 'usr/src/linux-source-6.12.tar.xz');
  const members = sources.map((name) => `linux-source-6.12/drivers/md/${name}`);
  await runCommand(
    'tar',
    ['-xJf', archive, '--occurrence=1', '-C', scratch, ...members],
    "unpacking dm-clone's sources",
  );
}

/** Without the type information that needs another program to make. */
async function compile(release: string, scratch: string): Promise<void> {
  const headers = join(scratch, 'usr/src', `linux-headers-${release}`);
  const common = join(scratch, 'usr/src', `linux-headers-${release.replace(/-cloud-.*$/, '')}-common`);
  const folder = join(scratch, 'linux-source-6.12/drivers/md');
  writeFileSync(join(headers, 'Makefile'), `include ${common}/Makefile\n`);
  writeFileSync(join(folder, 'Makefile'), makefile);
  await runCommand(
    'make',
    ['-C', headers, `M=${folder}`, 'CONFIG_DEBUG_INFO_BTF_MODULES=', 'modules'],
    'building dm-clone',
  );
}
