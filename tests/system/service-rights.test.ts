/**
 * What the service does for people who are not root: nothing without polkit's word, and with it nothing to a
 * path that they could not open themselves. polkit's answers are the test's own; everything else is real.
 */
import { chmodSync, chownSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { readPart } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import type { CommandEnd, ImagePair } from './support/service.ts';
import { Service, hasEnded, makeImages, startJob } from './support/service.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const nobody = 65_534;
const sizeBytes = 8 * mebibyte;
const [allowed, refused, noAgent] = [0, 1, 2];

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
    const ids = ['view', 'start', 'cutover', 'undo'].map((action) => `org.diskferry.${action}`);
    for (const id of ids)
      expect(service.asked.some((line) => line.includes(`--action-id ${id} `))).toBe(true);
    expect(service.asked.every((line) => line.includes(`,${nobody} `))).toBe(true);
    await client.request('undo', { job });
    await waitUntil('it is undone', () => hasEnded(scratch(), job));
    client.close();
  });

  it('may be allowed to look, and still not to touch', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const images = await ownImages();
    expect((await service.cli(['status'], nobody)).exitCode).toBe(0);
    service.answerWith(refused);
    expect((await start(service, images)).exitCode).toBe(6);
  });
});

describe.skipIf(!isRoot)('a user whom polkit allows', () => {
  it('moves images of his own', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const images = await ownImages();
    const { exitCode, stdout, stderr } = await start(service, images, '--json');
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    const { job } = JSON.parse(stdout) as { job: string };
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    const [from, to] = [images.source, images.destination].map((path) => readPart(path, 0, sizeBytes));
    expect(from?.equals(to ?? Buffer.alloc(0))).toBe(true);
  });

  it('cannot make the service open what he could not, by name or by link', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const images = await ownImages();
    const others = makeImages(scratch(), 'others', sizeBytes);
    for (const path of [others.source, others.destination]) chmodSync(path, 0o600);
    const link = scratch().path('own/link');
    symlinkSync(others.destination, link);
    const fifo = scratch().path('own/fifo');
    await runCommand('mkfifo', ['-m', '666', fifo], 'mkfifo');
    const systems = ['/dev/null', '/etc/shadow', '/proc/kcore'];
    const forbidden = [others.destination, link, fifo, ...systems, join(scratch().directory, 'none')];
    for (const destination of forbidden) {
      const end = await start(service, { ...images, destination });
      expect(end, destination).toMatchObject({ exitCode: 3 });
      expect(end.stderr).toContain(destination);
    }
    expect(readPart(others.destination, 0, sizeBytes).every((byte) => byte === 0)).toBe(true);
  });

  it('cannot have commands run or files made as root', async () => {
    const service = await Service.start(scratch(), { polkit: allowed });
    const images = await ownImages();
    const commands = await start(
      service,
      images,
      '--stop-command',
      'touch /tmp/evil',
      '--start-command',
      'true',
    );
    expect(commands.exitCode).toBe(2);
    const created = await start(
      service,
      { ...images, destination: scratch().path('own/new.img') },
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
