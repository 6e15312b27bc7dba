/**
 * A consumer's device-mapper devices, moved from one disk to another while they are in use. The disks of the
 * first tests hold different bytes, so that each read tells where it came from.
 */
import { closeSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { majorMinorOf } from '../../../app/devices/block-device.ts';
import { runCommand } from '../../../app/devices/command.ts';
import {
  createMapped,
  infoOf,
  ownDevices,
  removeMapped,
  replaceTable,
  tableOf,
} from '../../../app/devices/device-mapper.ts';
import { directStartSector, withDirect } from '../../../app/devices/direct-part.ts';
import type { Segment } from '../../../app/devices/dm-table.ts';
import { linearTable } from '../../../app/devices/dm-table.ts';
import { readMappedUsers } from '../../../app/substitution/mapped-users.ts';
import { MappedVolume } from '../../../app/substitution/mapped-volume.ts';
import { makeFileSystem, mount, unmount } from '../../system/support/file-system.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { makeLoopDisk, readPart } from '../../system/support/loop-disk.ts';
import { useScratch } from '../../system/support/scratch.ts';

const scratch = useScratch();
const diskBytes = 16 * mebibyte;
const halfSectors = diskBytes / sectorBytes / 2;
const names = ['diskferry-one', 'diskferry-two'] as const;

let source: LoopDisk;
let other: LoopDisk;
let destination: LoopDisk;
let volume: MappedVolume;

function numberOf(disk: LoopDisk): string {
  return majorMinorOf(statSync(disk.path, { bigint: true }).rdev);
}

function marked(disk: LoopDisk, value: number): LoopDisk {
  const fd = openSync(disk.path, 'r+');
  for (const sector of [0, halfSectors])
    writeSync(fd, new Uint8Array(sectorBytes).fill(value), 0, sectorBytes, sector * sectorBytes);
  closeSync(fd);
  return disk;
}

/** Two devices, a half of the disk each; the second continues on a disk that does not move. */
function tablesOn(device: string): Segment[][] {
  const place = { device: numberOf(other), startSector: 0 };
  return [
    linearTable({ device, startSector: 0 }, halfSectors),
    [
      ...linearTable({ device, startSector: halfSectors }, halfSectors),
      { startSector: halfSectors, sectorCount: 8, mapping: { type: 'linear', place } },
    ],
  ];
}

beforeEach(async () => {
  const sizeBytes = diskBytes;
  source = marked(await makeLoopDisk(scratch(), 'source', { sizeBytes }), 1);
  destination = marked(await makeLoopDisk(scratch(), 'destination', { sizeBytes }), 2);
  other = marked(await makeLoopDisk(scratch(), 'other', { sizeBytes }), 3);
  const users = tablesOn(numberOf(source)).map((segments, index) => ({ name: names[index] ?? '', segments }));
  for (const { name, segments } of users) {
    await createMapped({ name, segments });
    scratch().onRelease(name, async () => {
      if ((await ownDevices()).includes(name)) await removeMapped(name);
    });
  }
  volume = new MappedVolume(users, numberOf(source));
});

function byPlace([one]: readonly Segment[], [other]: readonly Segment[]): number {
  const startOf = (segment?: Segment): number =>
    segment?.mapping.type === 'linear' ? segment.mapping.place.startSector : 0;
  return startOf(one) - startOf(other);
}

function bytesRead(): (number | undefined)[] {
  const byteAt = (name: string, sector: number): number | undefined =>
    readPart(`/dev/mapper/${name}`, sector * sectorBytes, sectorBytes)[0];
  return [byteAt(names[0], 0), byteAt(names[1], 0), byteAt(names[1], halfSectors)];
}

async function expectRunning(tables: readonly Segment[][]): Promise<void> {
  expect(await Promise.all(names.map((name) => tableOf(name)))).toEqual(tables);
  for (const name of names)
    expect(await infoOf(name)).toMatchObject({ isSuspended: false, hasInactiveTable: false });
}

describe('moving', () => {
  it('moves every device at its offsets, leaves what lies elsewhere, does nothing twice, and moves back', async () => {
    expect(bytesRead()).toEqual([1, 1, 3]);
    const to = numberOf(destination);
    const flushFd = openSync(source.path, 'r');
    scratch().onRelease('the flush descriptor', () => closeSync(flushFd));
    await volume.moveTo({ to, flushFd });
    await expectRunning(tablesOn(to));
    expect(volume.isOn(to)).toBe(true);
    expect(bytesRead()).toEqual([2, 2, 3]);
    expect(volume.takePauseMs()).toBeGreaterThan(0);

    const events = (await infoOf(names[0])).eventNumber;
    await volume.moveTo({ to, flushFd: null });
    expect((await infoOf(names[0])).eventNumber).toBe(events);
    await volume.moveTo({ to: numberOf(source), flushFd: null });
    await expectRunning(tablesOn(numberOf(source)));
  });

  it('moves none when the new disk is mounted or has gone, and can be tried again', async () => {
    await makeFileSystem('ext4', destination.path);
    const target = await scratch().makeDirectory('mounted');
    await mount(destination.path, target);
    for (const [to, code] of [
      [numberOf(destination), 'device-in-use'],
      ['240:9', 'device-missing'],
    ] as const) {
      await expect(volume.moveTo({ to, flushFd: null })).rejects.toMatchObject({ code });
      await expectRunning(tablesOn(numberOf(source)));
      expect(volume.isOn(numberOf(source))).toBe(true);
    }
    await unmount(target);
    await volume.moveTo({ to: numberOf(other), flushFd: null });
    expect(bytesRead()).toEqual([3, 3, 3]);
  });

  it('leaves a device where it has moved to when the kernel refuses the next, and brings it back', async () => {
    // The size of the disk below is looked at only when a table becomes the active one.
    const small = numberOf(await makeLoopDisk(scratch(), 'small', { sizeBytes: diskBytes / 2 }));
    await expect(volume.moveTo({ to: small, flushFd: null })).rejects.toMatchObject({
      code: 'mapping-failed',
    });
    await expectRunning([tablesOn(small)[0] ?? [], tablesOn(numberOf(source))[1] ?? []]);
    expect([small, numberOf(source)].map((device) => volume.isOn(device))).toEqual([false, false]);
    await volume.moveAfter(numberOf(source), () => Promise.resolve());
    await expectRunning(tablesOn(numberOf(source)));
  });

  it('moves none when somebody else has changed a table', async () => {
    const foreign = linearTable({ device: numberOf(other), startSector: 0 }, halfSectors);
    await replaceTable({ name: names[1], segments: foreign, flushFd: null });
    await expect(volume.moveTo({ to: numberOf(destination), flushFd: null })).rejects.toMatchObject({
      code: 'mapping-failed',
      message: '/dev/mapper/diskferry-two: another program has changed its table',
    });
    await expectRunning([tablesOn(numberOf(source))[0] ?? [], foreign]);
  });
});

describe('going direct', () => {
  it('leads a part past the device below, further each time, and from there to the destination or back', async () => {
    const on = numberOf(source);
    const endSector = halfSectors + 16;
    const name = 'diskferry-test-direct';
    const place = { device: numberOf(destination), startSector: directStartSector };
    const { majorMinor: direct } = await createMapped({
      name,
      segments: linearTable(place, 2 * halfSectors - directStartSector),
    });
    scratch().onRelease(name, () => removeMapped(name));
    for (const end of [1024, endSector])
      await volume.moveTo({ to: on, direct: { device: direct, endSector: end, kept: [] }, flushFd: null });
    expect(await Promise.all(names.map((one) => tableOf(one)))).toEqual(
      tablesOn(on).map((table) => withDirect(table, on, { device: direct, endSector, kept: [] })),
    );
    expect(bytesRead()).toEqual([1, 2, 3]);
    expect(volume.isOn(on)).toBe(false);

    const found = await readMappedUsers(on, { direct });
    expect(found.map(({ segments }) => segments).sort(byPlace)).toEqual(tablesOn(on));
    await new MappedVolume(found, on).moveTo({ to: numberOf(destination), flushFd: null });
    await expectRunning(tablesOn(numberOf(destination)));
    const twin = numberOf(destination);
    await new MappedVolume(await readMappedUsers(on, { direct, twin }), on).moveTo({ to: on, flushFd: null });
    await expectRunning(tablesOn(on));
  });
});

describe('moving after some work', () => {
  interface Reading {
    readonly answered: () => boolean;
    readonly byte: Promise<number>;
  }

  async function readInBackground(name: string): Promise<Reading> {
    let isAnswered = false;
    const byte = runCommand('dd', [`if=/dev/mapper/${name}`, 'bs=512', 'count=1', 'iflag=direct'], 'dd').then(
      (text) => {
        isAnswered = true;
        return text.charCodeAt(0);
      },
    );
    await sleep(300);
    return { answered: () => isAnswered, byte };
  }

  it('holds back the requests of one after the other for as long as the work takes, and answers them at the new place', async () => {
    const readings: Reading[] = [];
    await volume.moveAfter(numberOf(destination), async () => {
      const reading = await readInBackground(names[readings.length] ?? '');
      expect(reading.answered()).toBe(false);
      readings.push(reading);
    });
    expect(await Promise.all(readings.map(({ byte }) => byte))).toEqual([2, 2]);
    await expectRunning(tablesOn(numberOf(destination)));
    expect(volume.takePauseMs()).toBeGreaterThan(250);
  });

  it('answers them at the old place when the work fails, and leaves no descriptor behind', async () => {
    const descriptors = readdirSync('/proc/self/fd').length;
    let reading: Reading | undefined;
    const moving = volume.moveAfter(numberOf(destination), async () => {
      reading = await readInBackground(names[0]);
      throw new Error('the work has failed');
    });
    await expect(moving).rejects.toThrow('the work has failed');
    expect(await reading?.byte).toBe(1);
    await expectRunning(tablesOn(numberOf(source)));
    for (const disk of [destination, source]) await volume.moveAfter(numberOf(disk), () => Promise.resolve());
    expect(readdirSync('/proc/self/fd')).toHaveLength(descriptors);
  });
});
