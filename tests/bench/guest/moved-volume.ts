/** The volume that every contestant moves: an LV which fills the only physical volume of its group. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { deviceNumberAt } from '../../../app/devices/block-device.ts';
import { runCommand } from '../../../app/devices/command.ts';
import type { Bench } from '../benchmark.ts';
import type { DiskPair } from './disk-pair.ts';
import { changeTable } from './dmsetup.ts';

export const group = 'bench';
const mappedName = `${group}-volume`;
/** Where LVM begins the first LV. */
const dataOffsetBytes = mebibyte;
/** A guest on a busy machine takes a minute to start a program. */
const busyMsMax = 180_000;
const busyPollMs = 100;

export class MovedVolume {
  readonly path = `/dev/mapper/${mappedName}`;
  readonly sizeBytes: number;
  readonly disks: DiskPair;

  /** Gone when the benchmark ends. */
  static async make(bench: Bench, disks: DiskPair): Promise<MovedVolume> {
    await runCommand('pvcreate', ['--quiet', disks.source.path], 'pvcreate');
    await runCommand('vgcreate', ['--quiet', group, disks.source.path], 'vgcreate');
    bench.held.add(group, () =>
      runCommand('vgchange', ['--quiet', '--activate', 'n', group], 'vgchange').then(() => {}),
    );
    const all = [
      '--quiet',
      '--yes',
      '--wipesignatures',
      'n',
      '--extents',
      '100%FREE',
      '--name',
      'volume',
      group,
    ];
    await runCommand('lvcreate', all, 'lvcreate');
    return new MovedVolume(
      disks,
      Number(await runCommand('blockdev', ['--getsize64', `/dev/mapper/${mappedName}`], 'blockdev')),
    );
  }

  private constructor(disks: DiskPair, sizeBytes: number) {
    this.disks = disks;
    this.sizeBytes = sizeBytes;
  }

  /** Puts another device with the same content below it. What is under way ends on the one before. */
  async lieOn(devicePath: string): Promise<void> {
    await changeTable(
      mappedName,
      `0 ${this.sizeBytes / sectorBytes} linear ${devicePath} ${dataOffsetBytes / sectorBytes}`,
    );
  }
}

/** Resolves as soon as a consumer that was started uses a device; its start takes seconds in a guest. */
export async function untilBusy(devicePath: string): Promise<void> {
  const statistics = `/sys/dev/block/${deviceNumberAt(devicePath)}/stat`;
  const before = readFileSync(statistics, 'utf8');
  for (let waitedMs = 0; waitedMs < busyMsMax; waitedMs += busyPollMs) {
    await sleep(busyPollMs);
    if (readFileSync(statistics, 'utf8') !== before) return;
  }
  throw new Error(`${devicePath}: nobody uses it`);
}
