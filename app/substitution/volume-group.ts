/**
 * LVM, while its physical volume moves to another device and back into sight there.
 *
 * What lvm2 2.03 does, seen in a guest: it remembers in its hints which disk a physical volume is on, and
 * with yesterday's hints `lvchange --refresh` and `lvextend` put an LV back there. Without hints it finds the
 * physical volume on every disk that has a copy, prefers the one that active LVs lie on, which is the right
 * one, and refuses to change the group until only one is left. So hints are made invalid whenever an LV has
 * moved; where LVM goes by a devices file instead, that names the device which is the physical volume. And
 * while tables change we hold the group's lock, as every command that changes the group does.
 */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { addon, isAddonError } from '../../native/binding.ts';
import { DiskferryError } from '../base/error.ts';
import { runCommand } from '../devices/command.ts';

/** A command waits for the lock as long as it takes; an LV that is being mirrored may take its time. */
const lockWaitMsMax = 60_000;
const lockPollMs = 100;
/** lib/label/hints.c: whoever finds this file removes it and looks at every disk again. */
const newHints = '/run/lvm/newhints';

export interface VolumeGroupMove {
  /** Paths of the devices that were, and are to be, the physical volume in LVM's eyes. */
  readonly from: string;
  readonly to: string;
}

interface Settings {
  readonly lockFolder: string;
  readonly usesDevicesFile: boolean;
}

export class VolumeGroup {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Does what changes tables, while no command of LVM changes the group, and lets LVM know where it is now.
   */
  async whileMoving(move: VolumeGroupMove, work: () => Promise<void>): Promise<void> {
    const settings = await readSettings();
    const lock = await this.#lock(settings.lockFolder);
    try {
      await work();
      if (settings.usesDevicesFile && move.from !== move.to) await listInstead(move);
      await forgetHints();
    } finally {
      await lock.close();
    }
  }

  /**
   * As lvm2 does it (lib/misc/lvm-flock.c): whoever lets go may remove the file, so the name is compared
   * again.
   */
  async #lock(folder: string): Promise<FileHandle> {
    const path = join(folder, `V_${this.#name}`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let waitedMs = 0; waitedMs <= lockWaitMsMax; waitedMs += lockPollMs) {
      const file = await open(path, 'a+', 0o600);
      if (tryLock(file) && (await isStillAt(path, file))) return file;
      await file.close();
      await sleep(lockPollMs);
    }
    const message = `${this.#name}: another command of LVM has held the lock of this volume group for ${lockWaitMsMax / 1000} s`;
    throw new DiskferryError('device-in-use', message, { context: { device: this.#name } });
  }
}

function tryLock(file: FileHandle): boolean {
  try {
    addon().lockExclusive(file.fd);
    return true;
  } catch (error) {
    if (isAddonError(error) && error.code === 'EWOULDBLOCK') return false;
    throw error;
  }
}

async function isStillAt(path: string, file: FileHandle): Promise<boolean> {
  try {
    return (await stat(path)).ino === (await file.stat()).ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function readSettings(): Promise<Settings> {
  const names = ['global/locking_dir', 'devices/use_devicesfile'];
  return parseSettings(await runCommand('lvmconfig', ['--type', 'full', ...names], "reading LVM's settings"));
}

/** Lines such as `use_devicesfile=0` and `locking_dir="/run/lock/lvm"`. */
export function parseSettings(text: string): Settings {
  return {
    lockFolder: /^locking_dir="(.+)"$/m.exec(text)?.[1] ?? '/run/lock/lvm',
    usesDevicesFile: /^use_devicesfile=1$/m.test(text),
  };
}

/**
 * Debian has the command only as a word of lvm(8). First the new one: without any, LVM would not know the
 * group.
 */
async function listInstead({ from, to }: VolumeGroupMove): Promise<void> {
  await runCommand('lvm', ['lvmdevices', '--yes', '--adddev', to], `adding ${to} to LVM's devices file`);
  await runCommand(
    'lvm',
    ['lvmdevices', '--yes', '--deldev', from],
    `removing ${from} from LVM's devices file`,
  );
}

/** Without the folder no command has left hints there. */
async function forgetHints(): Promise<void> {
  try {
    await writeFile(newHints, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
