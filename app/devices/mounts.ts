/**
 * The mounts of our mount namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)), in the order of
 * mounting.
 *
 * A mount's own device number is no help for Btrfs and other file systems with an anonymous one: there the
 * mount's source is looked up as well. Mounts in other namespaces (containers) are not here: opening a device
 * exclusively finds them.
 */
import { readFileSync } from 'node:fs';
import { majorMinorOf } from './block-device.ts';
import type { StatOf } from './reachable-stat.ts';
import { reachableStat } from './reachable-stat.ts';

export interface Mount {
  readonly id: number;
  readonly parentId: number;
  /** Of the file system, `0:27` or alike where it has no device of its own. */
  readonly majorMinor: string;
  /** Which directory of the file system is mounted: `/`, a subvolume, or what a bind mount picked. */
  readonly root: string;
  readonly target: string;
  /** Per mount: ro, nosuid, noatime, … */
  readonly mountOptions: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** Of the file system: errors=remount-ro, subvol=/@, … */
  readonly superOptions: readonly string[];
  readonly propagation: Propagation;
}

/** What becomes of mounts that are made inside: mount_namespaces(7). All null and false: private. */
export interface Propagation {
  /** Shared with the mounts of this group. */
  readonly peerGroup: number | null;
  /** A slave of the mounts of this group. */
  readonly masterGroup: number | null;
  readonly isUnbindable: boolean;
}

export function readMounts(): Mount[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Lines look like `36 35 98:0 /root /target rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue`. */
export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [front, back] = splitOnce(line, ' - ');
    const [id, parentId, majorMinor, root, target, mountOptions, ...tags] = front.split(' ');
    const [fsType, source, superOptions] = back.split(' ');
    if (mountOptions === undefined || superOptions === undefined) return [];
    return [
      {
        id: Number(id),
        parentId: Number(parentId),
        majorMinor: majorMinor as string,
        root: unescapeOctal(root as string),
        target: unescapeOctal(target as string),
        mountOptions: mountOptions.split(','),
        fsType: unescapeOctal(fsType as string),
        source: unescapeOctal(source as string),
        superOptions: unescapeOctal(superOptions).split(','),
        propagation: parsePropagation(tags),
      },
    ];
  });
}

/** Tags look like `shared:7`, `master:2`, `propagate_from:1`, `unbindable`; there may be none. */
function parsePropagation(tags: readonly string[]): Propagation {
  const groupOf = (name: string): number | null => {
    const tag = tags.find((candidate) => candidate.startsWith(`${name}:`));
    return tag === undefined ? null : Number(tag.slice(name.length + 1));
  };
  const [peerGroup, masterGroup] = [groupOf('shared'), groupOf('master')];
  return { peerGroup, masterGroup, isUnbindable: tags.includes('unbindable') };
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + separator.length)];
}

/** The kernel writes space, tab, newline, backslash and # as three octal digits, byte by byte. */
export function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const raw = Buffer.from(text);
  for (let index = 0; index < raw.length; index += 1) {
    const digits = raw[index] === 0x5c ? raw.toString('latin1', index + 1, index + 4) : '';
    if (/^[0-7]{3}$/.test(digits)) {
      bytes.push(parseInt(digits, 8) & 0xff);
      index += 3;
    } else {
      bytes.push(raw[index] as number);
    }
  }
  return Buffer.from(bytes).toString();
}

/**
 * Which block device the mount's source names, or null. Only absolute paths: `tmpfs`, `proc` and network
 * sources are no devices.
 */
export function sourceDevice(mount: Mount, statOf: StatOf = reachableStat): string | null {
  if (!mount.source.startsWith('/')) return null;
  const stat = statOf(mount.source);
  return stat?.isBlockDevice() === true ? majorMinorOf(stat.rdev) : null;
}

/** True when `path` is `folder` or lies in it. Both absolute and without links. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/**
 * The mount that a path (absolute, links resolved) lies on: the longest target, and of equal ones the last.
 */
export function mountOfPath<M extends Pick<Mount, 'target'>>(mounts: readonly M[], path: string): M | null {
  let best: M | null = null;
  for (const mount of mounts) {
    if (isInside(path, mount.target) && (best === null || mount.target.length >= best.target.length)) {
      best = mount;
    }
  }
  return best;
}
