/**
 * The kernel of the QEMU guest: Debian's cloud kernel 6.12 with its modules, downloaded with apt-get and
 * unpacked, never installed (that would change what the host boots). It is kept in the user's cache
 * directory by version, so that only the first run after an update of Debian's takes the time; older
 * versions are removed.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';

/** Depends on the newest version, which has its number in its name. */
const metaPackage = 'linux-image-6.12-cloud-amd64';

export interface UnpackedKernel {
  readonly imagePath: string;
  readonly modulesPath: string;
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'diskferry', 'guest-kernel');
}

/** Such as linux-image-6.12.117+deb12-cloud-amd64; undefined when apt has no lists or does not know it. */
async function newestPackage(): Promise<string | undefined> {
  const { stdout } = await runProgram('apt-cache', ['depends', metaPackage]);
  return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
}

async function unpack(packageName: string, folder: string): Promise<void> {
  mkdirSync(cacheFolder(), { recursive: true });
  const scratch = mkdtempSync(join(cacheFolder(), 'unpacking-'));
  try {
    const script = 'cd "$1" && apt-get download "$2" && dpkg-deb -x linux-image-*.deb unpacked && rm *.deb';
    await runCommand('sh', ['-c', script, 'sh', scratch, packageName], `downloading ${packageName}`);
    const release = packageName.replace('linux-image-', '');
    await runCommand(
      'depmod',
      ['-b', join(scratch, 'unpacked'), release],
      `indexing the modules of ${release}`,
    );
    // In one step: another run must never see half of it.
    renameSync(join(scratch, 'unpacked'), folder);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** For machines that have never fetched apt's lists. */
async function updatedPackage(): Promise<string | undefined> {
  await runCommand('apt-get', ['update'], `looking for ${metaPackage}`);
  return newestPackage();
}

/** The newest one that is unpacked already; for machines that are offline. */
function unpackedPackage(): string | undefined {
  if (!existsSync(cacheFolder())) return undefined;
  return readdirSync(cacheFolder())
    .filter((name) => name.startsWith('linux-image-'))
    .sort()
    .at(-1);
}

export async function debianKernel(): Promise<UnpackedKernel> {
  const packageName = (await newestPackage()) ?? unpackedPackage() ?? (await updatedPackage());
  if (packageName === undefined) throw new Error(`apt does not know ${metaPackage}`);
  const folder = join(cacheFolder(), packageName);
  if (!existsSync(folder)) {
    await unpack(packageName, folder);
    const others = readdirSync(cacheFolder()).filter((name) => name !== packageName);
    for (const name of others) rmSync(join(cacheFolder(), name), { recursive: true });
  }
  const release = packageName.replace('linux-image-', '');
  return {
    imagePath: join(folder, `boot/vmlinuz-${release}`),
    modulesPath: join(folder, `lib/modules/${release}`),
  };
}
