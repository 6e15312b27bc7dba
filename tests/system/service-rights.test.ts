/**
 * What the service does for people who are not root: nothing without polkit's word, and with it nothing to any
 * file. They name block devices, each by whatever path leads them there. polkit's answers are the test's own;
 * everything else is real.
 */
import { chmodSync, chownSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { ServiceClient } from '../../app/client/service-client.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import type { CommandEnd, ImagePair } from './support/service.ts';
import { Service, hasEnded, makeImages, startJob } from './support/service.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const nobody = 65_534;
const sizeBytes = 8 * mebibyte;
const [allowed, refused, noAgent] = [0, 1, 2];

/** Disks that anybody may name. */
async function disks(name: string): Promise<ImagePair> {
  const source = await makeLoopDisk(scratch(), `${name}-source`, { sizeBytes, content: 'random' });
  const destination = await makeLoopDisk(scratch(), `${name}-destination`, { sizeBytes });
  return { source: source.path, destination: destination.path };
}

function expectMoved({ source, destination }: ImagePair): void {
  const [from, to] = [source, destination].map((path) => readPart(path, 0, sizeBytes));
  expect(from?.equals(to ?? Buffer.alloc(0))).toBe(true);
}

function expectUntouched({ destination }: ImagePair): void {
  expect(readPart(destination, 0, sizeBytes).every((byte) => byte === 0)).toBe(true);
}

/** A client that is nobody for the kernel, which notes who connects at the moment when he does. */
function asNobody(service: Service): Promise<ServiceClient> {
  process.seteuid?.(nobody);
  try {
    return ServiceClient.connect(service.socketPath);
  } finally {
    process.seteuid?.(0);
  }
}

/** A folder and images in it that belong to nobody. */
async function ownImages(): Promise<ImagePair> {
  const folder = await scratch().makeDirectory('own');
  const made = makeImages(scratch(), 'own/disk', sizeBytes);
  for (const path of [folder, made.source, made.destination]) chownSync(path, nobody, nobody);
  return made;
}

function start(service: Service, { source, destination }: ImagePair, ...more: string[]): Promise<CommandEnd> {
  const disks = ['--source', source, '--destination', destination, '--frontend', 'nbd-socket'];
  return service.cli(['start', ...disks, '--yes', ...more], nobody);
}

describe.skipIf(!isRoot)('a user whom polkit refuses', () => {
  it('is refused every action, with the reason, and learns nothing of jobs', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const client = await service.client();
    const job = await startJob(client, makeImages(scratch(), 'of-root', sizeBytes), { hold: true });
    service.answerWith(noAgent);
    const commands = [['status'], ['status', job], ['watch', job], ['pause', job], ['resume', job]];
    const more = [
      ['speed', 'gentle', job],
      ['verify', job],
      ['cutover', job],
      ['undo', job],
      ['report', job],
    ];
    const decisions = [
      ['retry', job],
      ['accept-unreadable', job],
      ['recover', job],
      ['recover', job, '--undo'],
    ];
    for (const command of [...commands, ...more, ...decisions]) {
      const end = await service.cli([...command, '--json'], nobody);
      expect(end, command.join(' ')).toMatchObject({ exitCode: 6 });
      expect(end.stderr).toContain('no agent is running');
      expect(end.stdout + end.stderr).not.toContain('of-root-source');
    }
    expect(await start(service, await ownImages())).toMatchObject({ exitCode: 6 });
    const ids = ['view', 'start', 'steer', 'cutover', 'undo'].map((action) => `org.diskferry.${action}`);
    for (const id of ids)
      expect(service.asked.some((line) => line.includes(`--action-id ${id} `))).toBe(true);
    expect(service.asked.every((line) => line.includes(`,${nobody} `))).toBe(true);
    await client.request('undo', { job });
    await waitUntil('it is undone', () => hasEnded(scratch(), job));
    client.close();
  });

  it('may be allowed to look, and still not to touch', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const pair = await disks('seen');
    expect((await service.cli(['status'], nobody)).exitCode).toBe(0);
    service.answerWith(refused);
    expect((await start(service, pair)).exitCode).toBe(6);
    expectUntouched(pair);
  });
});

describe.skipIf(!isRoot)('a user whom polkit allows', () => {
  it('moves disks, and the service notes what it erased for whom', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const pair = await disks('his');
    const { exitCode, stdout, stderr } = await start(service, pair, '--json');
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    const { job } = JSON.parse(stdout) as { job: string };
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    expectMoved(pair);
    expect(service.stderr).toMatch(new RegExp(`user ${nobody}, process \\d+: start`));
    expect(service.stderr).toContain(`moves to ${pair.destination} (${sizeBytes} bytes), which is erased`);
  });

  it('names a disk by a link of his own, which leads nowhere else afterwards', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const [named, other] = [await disks('named'), await disks('other')];
    await scratch().makeDirectory('own');
    const link = scratch().path('own/link');
    symlinkSync(named.destination, link);
    const client = await asNobody(service);
    const asked = { source: named.source, destination: link, frontend: 'nbd-socket' };
    const { plan, token } = await client.request('plan', asked);
    expect(plan.destination.path).toBe(named.destination);
    rmSync(link);
    symlinkSync(other.destination, link);
    const { job } = await client.request('start', { token });
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    client.close();
    expectMoved(named);
    expectUntouched(other);
  });

  it('cannot have the service touch any file, his own neither, by name or by link', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const [pair, own] = [await disks('his'), await ownImages()];
    const others = makeImages(scratch(), 'others', sizeBytes);
    for (const path of [others.source, others.destination]) chmodSync(path, 0o600);
    const [link, linkToOwn] = [scratch().path('own/link'), scratch().path('own/link-to-own')];
    symlinkSync(others.destination, link);
    symlinkSync(own.destination, linkToOwn);
    const fifo = scratch().path('own/fifo');
    await runCommand('mkfifo', ['-m', '666', fifo], 'mkfifo');
    const systems = ['/dev/null', '/etc/shadow', '/proc/kcore'];
    const files = [own.destination, others.destination, link, linkToOwn];
    for (const destination of [...files, fifo, ...systems, join(scratch().directory, 'none')]) {
      const end = await start(service, { ...pair, destination });
      expect(end, destination).toMatchObject({ exitCode: 3 });
      expect(end.stderr).toContain(`${destination}: `);
      if (files.includes(destination)) expect(end.stderr).toContain('only root can have the service move files');
    }
    const asSource = await start(service, { ...pair, source: own.source });
    expect(asSource).toMatchObject({ exitCode: 3 });
    expect(asSource.stderr).toContain('only root can have the service move files');
    expect(asSource.stderr).toContain('run the command as root');
    for (const one of [pair, own, others]) expectUntouched(one);
  });

  it('cannot have commands run or files made as root', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const pair = await disks('his');
    const commands = await start(
      service,
      pair,
      '--stop-command',
      'touch /tmp/evil',
      '--start-command',
      'true',
    );
    expect(commands.exitCode).toBe(2);
    const created = await start(
      service,
      { ...pair, destination: scratch().path('own/new.img') },
      '--create',
      '8M',
    );
    expect(created).toMatchObject({ exitCode: 3 });
    expect(created.stderr).toContain('only root can have the service create files');
  });

  it.each([
    ['another file', (path: string) => writeFileSync(path, Buffer.alloc(sizeBytes))],
    ['a link to a file of others', (path: string, other: string) => symlinkSync(other, path)],
    ['nothing', () => undefined],
  ])('cannot put %s in the place of what was planned', async (_, put) => {
    const service = await Service.start(scratch());
    const images = await ownImages();
    const others = makeImages(scratch(), 'others', sizeBytes);
    const before = readPart(others.source, 0, sizeBytes);
    const client = await service.client();
    const { token } = await client.request('plan', { ...images, frontend: 'nbd-socket' });
    renameSync(images.destination, `${images.destination}.away`);
    put(images.destination, others.source);
    await expect(client.request('start', { token })).rejects.toMatchObject({
      code: expect.stringMatching(/^device-(changed|missing)$/),
    });
    rmSync(images.destination, { force: true });
    expect(readPart(others.source, 0, sizeBytes).equals(before)).toBe(true);
    client.close();
  });
});

describe.skipIf(!isRoot)('without a service', () => {
  it('start says so, with exit code 7, and the other commands do without', async () => {
    const service = await Service.start(scratch());
    await service.kill();
    const images = makeImages(scratch(), 'none', sizeBytes);
    const parameters = ['start', '--source', images.source, '--destination', images.destination, '--yes'];
    const end = await service.cli(parameters);
    expect(end.exitCode).toBe(7);
    expect(end.stderr).toContain('start diskferryd');
  });
});
