/**
 * The service as systemd runs it, with everything that its unit forbids: a mounted volume moves from it, its
 * client and itself are killed, and systemd starts it again. What it mounts must be seen by everybody, and
 * stays in use.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { defaultSocketPath } from '../../../app/contract/service.ts';
import { runCommand } from '../../../app/devices/command.ts';
import {
  checkFileSystem,
  findMount,
  makeFileSystem,
  mount,
  unmount,
} from '../../system/support/file-system.ts';
import { makeLoopDisk } from '../../system/support/loop-disk.ts';
import { runCli } from '../../system/support/migration.ts';
import { useScratch } from '../../system/support/scratch.ts';
import { waitUntil } from '../../system/support/wait.ts';

const scratch = useScratch();
const sizeBytes = 64 * mebibyte;
const unitPath = '/etc/systemd/system/diskferryd.service';
const built = new URL('../../../build/app/service/main.js', import.meta.url).pathname;
const written = new URL('../../../resources/systemd/diskferryd.service', import.meta.url);

const systemctl = (...parameters: string[]): Promise<string> =>
  runCommand('systemctl', parameters, `systemctl ${parameters.join(' ')}`);

afterEach(async () => {
  await systemctl('stop', 'diskferryd');
});

/** As the README has people do it; its jobs keep their state in the scratch. */
async function install(): Promise<void> {
  const unit = readFileSync(written, 'utf8')
    .replaceAll('@NODE@', process.execPath)
    .replaceAll('@PROGRAM@', built);
  const place = `Environment=DISKFERRY_STATE_DIR=${scratch().stateDirectory}`;
  writeFileSync(unitPath, unit.replace('[Service]', `[Service]\n${place}`));
  await systemctl('daemon-reload');
  await systemctl('start', 'diskferryd');
  await answers();
}

async function answers(): Promise<void> {
  await waitUntil('the service answers', async () => {
    const client = await ServiceClient.connect(defaultSocketPath).catch(() => undefined);
    client?.close();
    return client !== undefined;
  });
}

async function mainProcess(): Promise<number> {
  return Number((await systemctl('show', '--property=MainPID', '--value', 'diskferryd')).trim());
}

/** By the service, whose socket is where the command line looks. */
async function state(): Promise<string> {
  const { stdout } = await runCli('status', '--json');
  const [line] = stdout.trim().split('\n');
  return line === undefined || line === '' ? 'none' : (JSON.parse(line) as { state: string }).state;
}

it('moves a mounted volume though client and service are killed, and nobody misses the volume', async () => {
  await install();
  const source = await makeLoopDisk(scratch(), 'source', { sizeBytes });
  const destination = await makeLoopDisk(scratch(), 'destination', { sizeBytes });
  await makeFileSystem('ext4', source.path);
  const target = await scratch().makeDirectory('volume');
  await mount(source.path, target);
  writeFileSync(`${target}/before`, 'written before');

  const disks = ['--source', source.path, '--destination', destination.path];
  expect(await runCli('start', ...disks, '--hold', '--yes')).toMatchObject({ exitCode: 0, stderr: '' });
  await waitUntil('all has crossed', async () => (await state()) === 'synchronized');
  // Here, and not only where the service is.
  expect((await findMount(target))?.source).not.toBe(source.path);
  const first = await mainProcess();
  await systemctl('kill', '--signal=KILL', '--kill-whom=main', 'diskferryd');
  await waitUntil('systemd has started it again', async () => ![0, first].includes(await mainProcess()));
  await answers();
  expect(await state()).toBe('synchronized');
  writeFileSync(`${target}/beside`, 'written without the service');

  expect(await runCli('cutover')).toMatchObject({ exitCode: 0 });
  await waitUntil('the job has ended', async () => (await state()) === 'none');
  expect(readFileSync(`${target}/before`, 'utf8') + readFileSync(`${target}/beside`, 'utf8')).toBe(
    'written beforewritten without the service',
  );
  await unmount(target);
  await checkFileSystem('ext4', destination.path);
});
