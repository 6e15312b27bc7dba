/**
 * What commands of LVM do while a physical volume is on its way from one disk to another, and what we do
 * about it. The copies are made with dd: where the data goes is not the question here.
 */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { dependenciesOf, infoOf, tableOf } from '../../app/devices/device-mapper.ts';
import { readPhysicalVolume } from '../../app/devices/physical-volume.ts';
import { mappedHoldersOf } from '../../app/devices/mapped-holders.ts';
import { BypassWatch } from '../../app/substitution/bypass-watch.ts';
import { MappedVolume } from '../../app/substitution/mapped-volume.ts';
import { VolumeGroup } from '../../app/substitution/volume-group.ts';
import { addon } from '../../native/binding.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { makeLoopDisk } from '../system/support/loop-disk.ts';
import { useScratch } from '../system/support/scratch.ts';
import { numberOf } from './device-number.ts';
import { lvm, makeVolumeGroup } from './volume-group.ts';

const scratch = useScratch();
const group = 'vgtest';
const names = [`${group}-one`, `${group}-two`] as const;

let source: LoopDisk;
let copy: LoopDisk;

beforeEach(async () => {
  const sizeBytes = 64 * mebibyte;
  source = await makeLoopDisk(scratch(), 'source', { sizeBytes });
  copy = await makeLoopDisk(scratch(), 'copy', { sizeBytes });
  const volumes = ['one', 'two'].map((name) => ({ name, options: ['--size', '16M'] }));
  await makeVolumeGroup(scratch(), group, { disks: [source.path], volumes });
});

async function copyAll(): Promise<void> {
  await runCommand('dd', [`if=${source.path}`, `of=${copy.path}`, 'bs=1M', 'conv=fsync'], 'dd');
}

async function move(from: LoopDisk, to: LoopDisk): Promise<void> {
  const users = await Promise.all(names.map(async (name) => ({ name, segments: await tableOf(name) })));
  await new MappedVolume(users, numberOf(from)).moveTo({ to: numberOf(to), flushFd: null });
}

async function moveAsJobsDo(): Promise<void> {
  await copyAll();
  await new VolumeGroup(group).whileMoving({ from: source.path, to: copy.path }, () => move(source, copy));
}

async function placesOfLvs(): Promise<string[]> {
  return (await Promise.all(names.map((name) => dependenciesOf(name)))).flat();
}

describe('a volume group whose physical volume has moved', () => {
  it('would be put back by a refresh that goes by old hints', async () => {
    await lvm('lvs');
    await copyAll();
    await move(source, copy);
    await lvm('lvchange', '--refresh', `${group}/one`);
    expect(await placesOfLvs()).toEqual([numberOf(source), numberOf(copy)]);
  });

  it('stays where it is when it is refreshed, and is not extended before LVM sees one copy only', async () => {
    await lvm('lvs');
    await moveAsJobsDo();
    const extend = (): Promise<string> => lvm('lvextend', '--size', '+8M', `${group}/two`);
    await lvm('lvchange', '--refresh', `${group}/one`, `${group}/two`);
    await expect(extend()).rejects.toThrow(/duplicate PV/);
    expect(await placesOfLvs()).toEqual([numberOf(copy), numberOf(copy)]);
    await runCommand('wipefs', ['--all', '--force', source.path], 'wipefs');
    await extend();
    expect(await placesOfLvs()).toEqual([numberOf(copy), numberOf(copy)]);
  });

  it('goes by the devices file where LVM uses one', async () => {
    await runCommand(
      'sh',
      ['-c', 'echo "devices { use_devicesfile = 1 }" >> /etc/lvm/lvmlocal.conf'],
      'setting',
    );
    scratch().onRelease('the setting', async () => {
      await runCommand(
        'sh',
        ['-c', 'sed -i "/use_devicesfile/d" /etc/lvm/lvmlocal.conf; rm -f /etc/lvm/devices/*'],
        'unsetting',
      );
    });
    await lvm('lvm', 'lvmdevices', '--yes', '--adddev', source.path);
    await moveAsJobsDo();
    const listed = readFileSync('/etc/lvm/devices/system.devices', 'utf8');
    expect([listed.includes(copy.file), listed.includes(source.file)]).toEqual([true, false]);
    await lvm('lvextend', '--size', '+8M', `${group}/two`);
    await lvm('lvchange', '--refresh', `${group}/one`);
    expect(await placesOfLvs()).toEqual([numberOf(copy), numberOf(copy)]);
  });

  it('is not changed by LVM while tables move, and does not move while LVM changes it', async () => {
    const order: string[] = [];
    const fd = openSync(`/run/lock/lvm/V_${group}`, 'a+');
    addon().lockExclusive(fd);
    let refreshing: Promise<unknown> = Promise.resolve();
    const moving = new VolumeGroup(group).whileMoving({ from: source.path, to: source.path }, async () => {
      refreshing = lvm('lvchange', '--addtag', 'x', `${group}/two`).then(() => order.push('changed by LVM'));
      await sleep(1500);
      order.push('moved');
    });
    await sleep(300);
    order.push('let go');
    closeSync(fd);
    await Promise.all([moving, refreshing]);
    await refreshing;
    expect(order).toEqual(['let go', 'moved', 'changed by LVM']);
  });
});

it('LVM says to which volume group a disk belongs, and that a copy is in sight; the kernel, who lies on it', async () => {
  const plain = { groupName: group, isShared: false, isDuplicate: false, metadataAreaCount: 1 };
  expect(await readPhysicalVolume(numberOf(source))).toMatchObject(plain);
  expect(mappedHoldersOf(numberOf(source)).sort()).toEqual([...names]);
  await copyAll();
  expect(await readPhysicalVolume(numberOf(source))).toMatchObject({ ...plain, isDuplicate: true });
});

describe('an LV that another program has put past the virtual device', () => {
  it('waits from then on, and goes on where it belongs', async () => {
    await copyAll();
    await move(source, copy);
    const watch = new BypassWatch({ source: numberOf(source), destination: '0:0', virtual: numberOf(copy) });
    watch.start();
    const found = watch.bypassed().catch((error: unknown) => error);
    await runCommand(
      'sh',
      [
        '-c',
        `dmsetup table ${names[0]} | sed 's/${numberOf(copy)}/${numberOf(source)}/' | dmsetup load ${names[0]} && dmsetup resume ${names[0]}`,
      ],
      'dmsetup',
    );
    expect(await found).toMatchObject({
      code: 'table-changed',
      message: expect.stringContaining(names[0]) as string,
    });
    expect(await infoOf(names[0])).toMatchObject({ isSuspended: true });
    await expect(watch.stop()).rejects.toMatchObject({ code: 'table-changed' });
    await watch.putBack();
    await watch.stop();
    expect(await infoOf(names[0])).toMatchObject({ isSuspended: false, hasInactiveTable: false });
    expect(await placesOfLvs()).toEqual([numberOf(copy), numberOf(copy)]);
  });
});
