/**
 * The files of a small Debian with systemd, udev, LVM and udisks, for the guest in which the programs of a
 * real system look at every device that appears, and for the test of the package: made by debootstrap from the
 * release and the mirror that this machine's apt uses, and kept in the user's cache directory. It has no Node: its
 * programs run beside that of the host, so the release is the host's own. Needs root, as debootstrap does.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../../app/devices/command.ts';
import { tryLock } from '../../native/binding.ts';

/** Longer than debootstrap takes from a slow mirror. */
const makingMsMax = 20 * 60_000;
const pollMs = 200;

const packages = [
  ...['systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'procps', 'util-linux', 'libstdc++6'],
  ...['lvm2', 'dmsetup', 'cryptsetup-bin', 'udisks2'],
  ...['e2fsprogs', 'xfsprogs', 'btrfs-progs', 'attr', 'fio'],
];

interface Mirror {
  readonly address: string;
  readonly release: string;
}

/** The main archive among what apt fetches package lists from. */
async function aptMirror(): Promise<Mirror> {
  const format = ['indextargets', '--format', '$(REPO_URI) $(CODENAME)'];
  const main = ['Created-By: Packages', 'Component: main', 'Origin: Debian', 'Label: Debian'];
  const printed = await runCommand('apt-get', [...format, ...main], "reading apt's sources");
  const targets = printed
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const [address, release] = targets.find(([, codename]) => /^[a-z]+$/.test(codename ?? '')) ?? [];
  if (address === undefined || release === undefined)
    throw new Error(`apt has no lists of a Debian release: run "apt-get update"`);
  return { address, release };
}

async function bootstrap({ address, release }: Mirror, folder: string): Promise<void> {
  const scratch = mkdtempSync(join(cacheFolder(), 'making-'));
  const parameters = ['--variant=minbase', `--include=${packages.join(',')}`, release, scratch, address];
  try {
    await runCommand('debootstrap', parameters, 'making a Debian system for a guest');
    rmSync(join(scratch, 'var/cache/apt/archives'), { recursive: true });
    // In one step: another run must never see half of it.
    renameSync(scratch, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'diskferry', 'guest-tree');
}

/** The tree's folder; made when it is not there or when what should be in it has changed. */
export async function debianTree(): Promise<string> {
  const mirror = await aptMirror();
  const contents = createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 12);
  const name = `${mirror.release}-${contents}`;
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  mkdirSync(cacheFolder(), { recursive: true });
  await alone(async () => {
    if (existsSync(folder)) return;
    await bootstrap(mirror, folder);
    const others = readdirSync(cacheFolder()).filter((other) => other !== name);
    for (const other of others) rmSync(join(cacheFolder(), other), { recursive: true });
  });
  return folder;
}

/** Parts of one run that need the tree wait for the one that makes it. */
async function alone(work: () => Promise<void>): Promise<void> {
  const lock = openSync(`${cacheFolder()}.lock`, 'w');
  try {
    const deadlineMs = performance.now() + makingMsMax;
    while (!tryLock(lock)) {
      if (performance.now() > deadlineMs) throw new Error('in vain waited until another test had made a Debian system');
      await sleep(pollMs);
    }
    await work();
  } finally {
    closeSync(lock);
  }
}
