/**
 * What the programs of a whole system do to every device that they see, while a job moves what lies on one:
 * commands of LVM, udev's rules, systemd's units, scanners, a file manager's daemon. None of them may put an
 * old table back or unmount anything. The volumes are busy throughout, and everything verifies in the end.
 */
import { appendFileSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { runProgram } from '../../../app/devices/program.ts';
import { checkFileSystem, findMount, makeFileSystem, unmount } from '../../system/support/file-system.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { makeLoopDisk } from '../../system/support/loop-disk.ts';
import { Migration } from '../../system/support/migration.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { Workload } from '../../system/support/workload.ts';
import type { Volume } from '../busy-volumes.ts';
import { checkAll, cutOver, mountVolume, numbersBelow, whileBusy } from '../busy-volumes.ts';
import { numberOf } from '../device-number.ts';
import { expectNoDevicesLeft } from '../own-devices.ts';
import { lvm, makeVolumeGroup } from '../volume-group.ts';

const scratch = useScratch();
const group = 'vgtest';
const names = [`${group}-one`, `${group}-two`] as const;
const sizeBytes = 160 * mebibyte;
/** Two emulated processors must serve all others as well. */
const gently = { rate_iops: 50 };
/** No measure: a whole system reloads slowly where every instruction is translated. */
const testMsMax = 900_000;

expectNoDevicesLeft(scratch);

async function makeDisks(): Promise<{ source: LoopDisk; destination: LoopDisk }> {
  const source = await makeLoopDisk(scratch(), 'source', { sizeBytes });
  return { source, destination: await makeLoopDisk(scratch(), 'destination', { sizeBytes }) };
}

function start(
  { source, destination }: { source: LoopDisk; destination: LoopDisk },
  ...more: string[]
): Migration {
  return Migration.start(
    scratch(),
    { source: source.path, destination: destination.path },
    '--hold',
    ...more,
  );
}

async function run(program: string, ...parameters: readonly string[]): Promise<string> {
  return runCommand(program, parameters, program);
}

const askedMax = 6;

/** On a busy machine its daemon takes longer to come than D-Bus waits for it. */
async function askUdisks(...parameters: readonly string[]): Promise<void> {
  for (let asked = 1; ; asked += 1) {
    const { exitCode, stderr } = await runProgram('udisksctl', parameters);
    if (exitCode === 0) return;
    if (asked === askedMax || !stderr.includes('Timeout was reached')) throw new Error(`udisksctl: ${stderr}`);
  }
}

const reloads = {
  'udevadm trigger': () => run('udevadm', 'trigger', '--subsystem-match=block', '--settle'),
  'systemctl daemon-reload': () => run('systemctl', 'daemon-reload'),
};

/** What looks at all devices, and at the virtual one. */
function bystanders(device: string): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    ...reloads,
    'a scan by blkid': async () => {
      await run('blkid', '-c', '/dev/null');
      await run('blkid', '-p', device);
    },
    'a file manager': async () => {
      await askUdisks('dump');
      await askUdisks('info', '--block-device', device);
    },
  };
}

/** Does each in turn, and `isUnmoved` must hold after each. */
async function meddle(
  meddlers: Readonly<Record<string, () => Promise<unknown>>>,
  isUnmoved: () => Promise<void>,
): Promise<void> {
  for (const [name, act] of Object.entries(meddlers)) {
    const startMs = performance.now();
    await act();
    await isUnmoved();
    console.log(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  }
}

async function mountedSources(volumes: readonly Volume[]): Promise<(string | undefined)[]> {
  return Promise.all(volumes.map(async ({ target }) => (await findMount(target))?.source));
}

/** As at boot: by the unit that systemd makes of a line in fstab(5). */
async function mountByTable(line: string, target: string): Promise<void> {
  const table = readFileSync('/etc/fstab', 'utf8');
  const unit = (await run('systemd-escape', '--path', '--suffix=mount', target)).trim();
  scratch().onRelease('the line in fstab', async () => {
    await runProgram('systemctl', ['stop', unit]);
    writeFileSync('/etc/fstab', table);
    await run('systemctl', 'daemon-reload');
  });
  appendFileSync('/etc/fstab', `${line}\n`);
  await run('udevadm', 'settle');
  await run('systemctl', 'daemon-reload');
  await run('systemctl', 'start', unit);
}

describe('programs that look at every device', () => {
  it('leave LVs where a live move has put them', { timeout: testMsMax }, async () => {
    const { source, destination } = await makeDisks();
    const logical = [
      { name: 'one', options: ['--size', '96M'] },
      { name: 'two', options: ['--size', '40M'] },
    ];
    await makeVolumeGroup(scratch(), group, { disks: [source.path], volumes: logical });
    const volumes = await Promise.all(
      names.map((name) => mountVolume(scratch(), `/dev/mapper/${name}`, 'ext4')),
    );
    const mounted = await mountedSources(volumes);
    const migration = start({ source, destination });
    const device = await migration.device();
    const lvs = names.map((name) => name.replace('-', '/'));
    const meddlers = {
      ...bystanders(device),
      'lvchange --refresh': () => lvm('lvchange', '--refresh', ...lvs),
      // LVM sees its physical volume once, and changes its group as ever.
      lvextend: () => lvm('lvextend', '--size', '+4M', `${group}/two`),
    };
    await whileBusy(
      scratch(),
      volumes,
      async () => {
        await meddle(meddlers, async () => {
          expect(await numbersBelow(...names)).not.toContain(numberOf(source));
          expect(migration.eventsNamed('decision')).toEqual([]);
          expect(await mountedSources(volumes)).toEqual(mounted);
        });
        await cutOver(migration);
        await run('udevadm', 'trigger', '--subsystem-match=block', '--settle');
        await lvm('lvchange', '--refresh', ...lvs);
        expect(await mountedSources(volumes)).toEqual(mounted);
      },
      gently,
    );
    expect(await numbersBelow(...names)).toEqual([numberOf(destination), numberOf(destination)]);
    const places = await lvm('pvs', '--noheadings', '--options', 'pv_name', '--select', `vg_name=${group}`);
    expect(places.trim()).toBe(destination.path);
    await checkAll(volumes);
  });

  it(
    'leave a remounted volume where it is, which systemd has mounted by its UUID',
    { timeout: testMsMax },
    async () => {
      const { source, destination } = await makeDisks();
      const uuid = '5f0f5ee4-2c3b-4f4e-9a2c-3a52e9f0c2a1';
      await makeFileSystem('ext4', source.path, '-U', uuid);
      const target = await scratch().makeDirectory('volume');
      await mountByTable(`UUID=${uuid} ${target} ext4 defaults,x-systemd.device-bound 0 2`, target);
      const workload = await Workload.start(scratch(), [{ directory: `${target}/tree`, seed: 3 }]);
      await workload.doSteps(20);
      const commands = ['--stop-command', workload.stopCommand, '--start-command', workload.startCommand];
      const migration = start({ source, destination }, '--frontend', 'nbd', ...commands);
      const device = await migration.device();
      const isUnmoved = async (): Promise<void> => expect((await findMount(target))?.source).toBe(device);
      // The volume, and not what it lies on.
      await run('udevadm', 'settle');
      expect(realpathSync(`/dev/disk/by-uuid/${uuid}`)).toBe(realpathSync(device));
      await meddle(bystanders(device), isUnmoved);
      await cutOver(migration);
      await meddle(reloads, isUnmoved);
      await workload.end();
      await workload.expectTrees();
      await unmount(target);
      await checkFileSystem('ext4', destination.path);
    },
  );
});
