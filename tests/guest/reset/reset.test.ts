/**
 * The machine is reset in the middle of a move of a mounted volume, which a line in fstab names by its UUID. The test runs
 * in both boots, and the first resets the machine: what is in `kept` of the job's directory is there again at the next
 * boot, besides the disks, and everything else is as it was before the first. Nobody does anything then: the boot, which
 * waits for the volume, must come to its end, and the move to its.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { defaultSocketPath } from '../../../app/contract/service.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { runProgram } from '../../../app/devices/program.ts';
import { checkFileSystem, findMount, makeFileSystem, unmount } from '../../system/support/file-system.ts';
import { waitUntil } from '../../system/support/wait.ts';

const directory = process.env['GUEST_JOB'] ?? '';
const kept = join(directory, 'kept');
const isFirstBoot = !existsSync(kept);
const [source, destination] = ['/dev/disk/by-id/virtio-source', '/dev/disk/by-id/virtio-destination'];
const uuid = '5f0f5ee4-2c3b-4f4e-9a2c-3a52e9f0c2a2';
const target = '/srv/volume';
const state = '/var/lib/diskferry';
const unitPath = '/etc/systemd/system/diskferryd.service';
const built = new URL('../../../build/app/service/main.js', import.meta.url).pathname;
const written = new URL('../../../resources/systemd/diskferryd.service', import.meta.url);
const dataBytes = 96 * mebibyte;

const run = (program: string, ...parameters: readonly string[]): Promise<string> =>
  runCommand(program, parameters, [program, ...parameters].join(' '));

/** Now, and at the next boot. */
function write(path: string, text: string): void {
  for (const place of [path, join(kept, path)]) {
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
  }
}

async function connect(): Promise<ServiceClient> {
  let client: ServiceClient | undefined;
  await waitUntil('the service answers', async () => {
    client = await ServiceClient.connect(defaultSocketPath).catch(() => undefined);
    return client !== undefined;
  });
  if (client === undefined) throw new Error('there is no service');
  return client;
}

/** As the README has people install it, and with a table as installers write it: nothing in it tells of Diskferry. */
async function installAll(): Promise<void> {
  await makeFileSystem('ext4', '/dev/disk/by-id/virtio-state');
  await makeFileSystem('ext4', source, '-U', uuid);
  // Longer than usual, because every instruction is translated.
  const patience = 'x-systemd.device-timeout=240';
  const lines = [
    `/dev/disk/by-id/virtio-state ${state} ext4 ${patience} 0 2`,
    `UUID=${uuid} ${target} ext4 noatime,${patience} 0 2`,
  ];
  write('/etc/fstab', `${lines.join('\n')}\n`);
  const unit = readFileSync(written, 'utf8').replaceAll('@NODE@', process.execPath).replaceAll('@PROGRAM@', built);
  write(unitPath, unit);
  await run('systemctl', 'daemon-reload');
  await run('udevadm', 'settle');
  for (const place of [state, target]) {
    mkdirSync(place, { recursive: true });
    await run('systemctl', 'start', (await run('systemd-escape', '--path', '--suffix=mount', place)).trim());
  }
  await run('systemctl', 'enable', '--now', 'diskferryd');
  const wanted = '/etc/systemd/system/multi-user.target.wants/diskferryd.service';
  cpSync(wanted, join(kept, wanted), { verbatimSymlinks: true });
}

/** Durable, of random bytes; returns their hash. */
async function writeData(name: string, bytes: number): Promise<string> {
  const content = randomBytes(bytes);
  writeFileSync(join(target, name), content);
  await run('sync', '--file-system', target);
  return createHash('sha256').update(content).digest('hex');
}

function hashOf(name: string): string {
  return createHash('sha256').update(readFileSync(join(target, name))).digest('hex');
}

interface Left {
  readonly job: string;
  readonly before: string;
  readonly during: string;
}

async function beginAndReset(): Promise<void> {
  await installAll();
  const before = await writeData('before', dataBytes);
  const client = await connect();
  const disks = { source, destination, frontend: 'nbd', allowsNoJournal: true };
  const { token } = await client.request('plan', disks);
  const { job, first } = await client.request('start', { token, speed: 'gentle' });
  expect(first.event).toBe('planned');
  const device = `/dev/mapper/diskferry-${job}`;
  await waitUntil('the volume is on it', async () => (await findMount(target))?.source === device);
  // Most of it is on the source only then, and what comes now on the destination only.
  await waitUntil('it is paused', async () => {
    const status = await client.request('pause', { job }).catch(() => undefined);
    return status?.state === 'paused';
  });
  const during = await writeData('during', 8 * mebibyte);
  // Only one device is the volume now, also to a boot.
  await run('udevadm', 'settle');
  expect(realpathSync(`/dev/disk/by-uuid/${uuid}`)).toBe(realpathSync(device));
  const left: Left = { job, before, during };
  writeFileSync(join(kept, 'left.json'), JSON.stringify(left));
  writeFileSync(join(target, 'never flushed'), randomBytes(mebibyte));
  writeFileSync(join(directory, 'reset'), '');
  writeFileSync('/proc/sysrq-trigger', 'b');
  await new Promise(() => undefined);
}

async function hasComeBack({ job, before, during }: Left): Promise<void> {
  // The boot has waited for it, and for nothing in vain.
  expect(await run('systemctl', 'is-active', 'local-fs.target', 'multi-user.target')).toBe('active\nactive\n');
  expect(await run('systemctl', 'list-units', '--failed', '--plain', '--no-legend')).toBe('');
  const mounted = await findMount(target);
  expect(mounted?.source).toBe(`/dev/mapper/diskferry-${job}`);
  expect(mounted?.options.split(',')).toContain('noatime');
  expect([hashOf('before'), hashOf('during')]).toEqual([before, during]);
  await waitUntil('it has ended', () => existsSync(`${state}/history/${job}.jsonl`));
  await waitUntil('it has left', () => !existsSync(`${state}/jobs/${job}`));
  expect(readFileSync(`${state}/history/${job}.jsonl`, 'utf8')).toContain('"finished"');
  expect([hashOf('before'), hashOf('during')]).toEqual([before, during]);
  const log = await run('journalctl', '--unit', 'diskferryd', '--output', 'cat');
  expect(log).toContain(`${job} was broken off when the machine went down; going on with it`);
  await unmount(target);
  await run('udevadm', 'settle');
  await checkFileSystem('ext4', destination);
  // The retired one shows nothing.
  expect((await runProgram('blkid', ['-p', source])).exitCode).toBe(2);
}

it('a move that a reset breaks off comes back with the next boot, and goes on to its end by itself', async () => {
  if (isFirstBoot) await beginAndReset();
  else await hasComeBack(JSON.parse(readFileSync('/left.json', 'utf8')) as Left);
});
