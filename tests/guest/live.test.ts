/**
 * Whole jobs over what lies on a physical volume, mounted from the first second to the last, as the command
 * line does them. fio verifies what it writes, a workload compares its tree, checkers read the result.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { DiskferryError } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { tableOf } from '../../app/devices/device-mapper.ts';
import { devicesUnder } from '../../app/devices/dm-table.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import { makeLoopDisk } from '../system/support/loop-disk.ts';
import { failing } from '../system/support/mask-fault.ts';
import { Migration } from '../system/support/migration.ts';
import { useScratch } from '../system/support/scratch.ts';
import { waitUntil } from '../system/support/wait.ts';
import type { Volume } from './busy-volumes.ts';
import { checkAll, cutOver, mountVolume, numbersBelow, whileBusy } from './busy-volumes.ts';
import { numberOf } from './device-number.ts';
import { expectNoDevicesLeft } from './own-devices.ts';
import { lvm, makeVolumeGroup } from './volume-group.ts';

const scratch = useScratch();
/** One guest is enough: LVM's programs are slow in both. */
const isElsewhere = process.env['DISKFERRY_GUEST'] !== 'user-mode-linux';
const group = 'vgtest';

expectNoDevicesLeft(scratch);

async function makeDisk(name: string, sizeMib: number): Promise<LoopDisk> {
  return makeLoopDisk(scratch(), name, { sizeBytes: sizeMib * mebibyte });
}

function start(source: LoopDisk, destination: LoopDisk, ...parameters: string[]): Migration {
  return Migration.start(
    scratch(),
    { source: source.path, destination: destination.path },
    '--hold',
    ...parameters,
  );
}

/** Everything has crossed, and its users reach it directly, but for what identifies the disk. */
async function graduatedWhole(migration: Migration): Promise<void> {
  const { plan } = await migration.event('planned');
  await migration.event('graduated', ({ directBytes }) => directBytes === plan.source.sizeBytes);
}

/** LVM sees one physical volume, whatever we have done with its copies. */
async function expectOneVolume(path: string): Promise<void> {
  const found = await lvm('pvs', '--noheadings', '--options', 'pv_name', '--select', `vg_name=${group}`);
  expect(found.trim()).toBe(path);
}

describe.skipIf(isElsewhere)('a physical volume with three busy LVs', () => {
  const names = ['one', 'two', 'three'].map((name) => `${group}-${name}`);

  async function makeScene(): Promise<{ source: LoopDisk; destination: LoopDisk; volumes: Volume[] }> {
    const source = await makeDisk('source', 512);
    const destination = await makeDisk('destination', 512);
    const sizes = [
      { name: 'one', type: 'ext4', size: '32M' },
      { name: 'two', type: 'xfs', size: '320M' },
      { name: 'three', type: 'btrfs', size: '128M' },
    ] as const;
    const logical = sizes.map(({ name, size }) => ({ name, options: ['--size', size] }));
    await makeVolumeGroup(scratch(), group, { disks: [source.path], volumes: logical });
    const volumes: Volume[] = [];
    for (const { name, type } of sizes)
      volumes.push(await mountVolume(scratch(), `/dev/mapper/${group}-${name}`, type));
    // Free space is discarded at the start, and would be across at once.
    await runCommand('fallocate', ['--length', '192M', `${volumes[1]?.target ?? ''}/in-use`], 'fallocate');
    return { source, destination, volumes };
  }

  /** What has crossed, but for their last blocks and what may identify the disk. */
  async function expectPartlyDirect(migration: Migration, direct: readonly string[]): Promise<void> {
    const through = numberOf({ path: await migration.device() });
    const past = numberOf({ path: `/dev/mapper/diskferry-${await migration.job()}-direct` });
    for (const name of direct)
      expect(devicesUnder(await tableOf(name)).sort()).toEqual([past, through].sort());
  }

  /** False when so small a volume has crossed before the word came; then all of it is direct. */
  async function stopsInTheMiddle(migration: Migration): Promise<boolean> {
    await migration.device();
    try {
      await migration.ask('pause');
      while (migration.eventsNamed('graduated').length === 0) {
        await migration.ask('resume');
        await migration.ask('pause');
        await sleep(1200);
      }
      await expectPartlyDirect(migration, names.slice(0, 2));
      return true;
    } catch (error) {
      if (!(error instanceof DiskferryError) || error.code !== 'job-state') throw error;
      await graduatedWhole(migration);
      console.log('it has crossed too fast to be stopped in the middle');
      return false;
    }
  }

  it('moves with ext4, XFS and Btrfs on it, directly where it has crossed, and LVM leaves it where it is', async () => {
    const { source, destination, volumes } = await makeScene();
    const refresh = (): Promise<string> =>
      lvm('lvchange', '--refresh', `${group}/one`, `${group}/two`, `${group}/three`);
    const everywhere = (number: string): string[] => names.map(() => number);
    await whileBusy(scratch(), volumes, async () => {
      const migration = start(source, destination, '--speed', 'gentle');
      const isInTheMiddle = await stopsInTheMiddle(migration);
      await refresh();
      await expectOneVolume(await migration.device());
      await lvm('lvextend', '--size', '+4M', `${group}/one`);
      if (isInTheMiddle) {
        const virtual = everywhere(numberOf({ path: await migration.device() }));
        // A change of tables that was under way when copying was paused may still have come after a refresh.
        await waitUntil('LVM has put all LVs on the virtual device', async () => {
          await refresh();
          return isDeepStrictEqual(await numbersBelow(...names), virtual);
        });
        await migration.ask('resume');
        await migration.setSpeed('full');
        await graduatedWhole(migration);
        await expectPartlyDirect(migration, names.slice(1));
      }
      // What LVM has put back when all was direct already stays on the virtual device.
      expect(await numbersBelow(...names)).not.toContain(numberOf(destination));
      await refresh();
      await cutOver(migration);
      expect(migration.eventsNamed('decision')).toEqual([]);
      console.log(`graduation: ${JSON.stringify((await migration.event('finished')).report.graduation)}`);
    });
    await expectOneVolume(destination.path);
    await lvm('lvextend', '--size', '+4M', `${group}/one`);
    expect(await numbersBelow(...names)).toEqual(everywhere(numberOf(destination)));
    await checkAll(volumes);
  });

  it('goes back to the source with what was written, also directly', async () => {
    const { source, destination, volumes } = await makeScene();
    await whileBusy(scratch(), volumes, async () => {
      const migration = start(source, destination, '--speed', 'gentle');
      await stopsInTheMiddle(migration);
      await sleep(1000);
      await migration.ask('undo');
      expect(await migration.end()).toMatchObject({ exitCode: 8 });
    });
    expect(await numbersBelow(...names)).toEqual(names.map(() => numberOf(source)));
    await expectOneVolume(source.path);
    await checkAll(volumes);
  });
});

describe.skipIf(isElsewhere)('a physical volume whose job died before any user was moved', () => {
  it.each(['wiped', 'hidden'])('goes on as it was, and recover --undo ends the job (%s)', async (fault) => {
    const [source, destination] = [await makeDisk('source', 64), await makeDisk('destination', 64)];
    const volumes = [{ name: 'one', options: ['--size', '32M'] }];
    await makeVolumeGroup(scratch(), group, { disks: [source.path], volumes });
    const volume = await mountVolume(scratch(), `/dev/mapper/${group}-one`, 'ext4');
    // Where there is nothing to wipe, the first that the guard writes is the source.
    await runCommand('mkswap', [destination.path], 'mkswap');
    const died = failing(fault, () => start(source, destination));
    await died.end();
    expect(died.eventsNamed('attached')).toEqual([]);
    await whileBusy(scratch(), [volume], async () => {
      expect(await Migration.recover(scratch(), '--undo').end()).toMatchObject({ exitCode: 8 });
    });
    expect(await numbersBelow(`${group}-one`)).toEqual([numberOf(source)]);
    await expectOneVolume(source.path);
    await checkAll([volume]);
  });
});

describe.skipIf(isElsewhere)('an LV that is striped over two physical volumes', () => {
  it('moves the half that lies on the source, and asks what to do when somebody puts it back there', async () => {
    const [source, other, destination] = [
      await makeDisk('source', 48),
      await makeDisk('other', 48),
      await makeDisk('destination', 48),
    ];
    const options = ['--size', '64M', '--stripes', '2', '--stripesize', '64k'];
    await makeVolumeGroup(scratch(), group, {
      disks: [source.path, other.path],
      volumes: [{ name: 'wide', options }],
    });
    const name = `${group}-wide`;
    const volumes = [await mountVolume(scratch(), `/dev/mapper/${name}`, 'ext4')];
    const migration = start(source, destination);
    await graduatedWhole(migration);
    const [virtual = ''] = (await numbersBelow(name)).filter((number) => number !== numberOf(other));
    const script = `dmsetup table ${name} | sed 's/ ${virtual} / ${numberOf(source)} /' | dmsetup load ${name} && dmsetup resume ${name}`;
    await runCommand('sh', ['-c', script], 'dmsetup');
    const { message, choices } = await migration.event('decision');
    expect([message, choices[0]?.choice]).toEqual([expect.stringContaining(name), 'retry']);
    await migration.ask('retry');
    await migration.event('progress', ({ phase }) => phase === 'synchronized');
    await whileBusy(scratch(), volumes, () => cutOver(migration));
    expect((await numbersBelow(name)).sort()).toEqual([numberOf(destination), numberOf(other)].sort());
    await checkAll(volumes);
  });
});
