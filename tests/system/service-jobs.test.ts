/**
 * Jobs of the service outlive everybody: the client that started them, and the service itself. Image files
 * move through a socket, so that nothing of the machine's is used.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { JobEvent } from '../../app/contract/events.ts';
import { reportDocumentSchema } from '../../app/contract/report/document.ts';
import { apiVersion } from '../../app/contract/service.ts';
import { readPart } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import type { ImagePair } from './support/service.ts';
import {
  Service,
  hasEnded,
  haveAllLeft,
  historyOf,
  makeImages,
  openFiles,
  residentKib,
  startJob,
} from './support/service.ts';
import { usuallyOrInSoak } from './support/soak.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const sizeBytes = 24 * mebibyte;

function expectMoved({ source, destination }: ImagePair): void {
  expect(readPart(destination, 0, sizeBytes).equals(readPart(source, 0, sizeBytes))).toBe(true);
}

async function state(service: Service, job: string): Promise<string> {
  const client = await service.client();
  try {
    return (await client.request('status', { job })).state;
  } finally {
    client.close();
  }
}

/** A job that waits, with everything crossed. */
async function heldJob(service: Service, images: ImagePair): Promise<string> {
  const client = await service.client();
  const job = await startJob(client, images, { hold: true });
  client.close();
  await waitUntil('all has crossed', async () => (await state(service, job)) === 'synchronized');
  return job;
}

/** What the kernel does when the machine is reset: the boot that the record names is over. */
function forgetBoot(job: string): void {
  const path = `${scratch().stateDirectory}/jobs/${job}/job.json`;
  const record = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...record, bootId: 'an earlier one' }));
}

describe.skipIf(!isRoot)('a job of the service', () => {
  it('goes on when its client and the service are killed, and the next service has all of it', async () => {
    const service = await Service.start(scratch());
    const images = makeImages(scratch(), 'one', sizeBytes);
    const disks = ['--source', images.source, '--destination', images.destination];
    const how = ['--frontend', 'nbd-socket', '--hold', '--yes', '--json'];
    const started = await service.cli(['start', ...disks, ...how]);
    expect(started).toMatchObject({ exitCode: 0, stderr: '' });
    const { job } = JSON.parse(started.stdout) as { job: string };
    await waitUntil('all has crossed', async () => (await state(service, job)) === 'synchronized');
    await service.kill();
    await service.serve();
    expect(await state(service, job)).toBe('synchronized');
    const watching = service.run(['watch', job, '--json']);
    await waitUntil('it is watched', () => watching.said.stdout.includes('"synchronized"'));
    expect((await service.cli(['cutover', job])).exitCode).toBe(0);
    expect(await watching.end).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('"finished"') });
    expectMoved(images);
    expect(historyOf(scratch(), job).map(({ event }) => event)).toEqual(
      expect.arrayContaining(['planned', 'attached', 'synchronized', 'committed', 'finished']),
    );
  });

  it('begins and ends when the terminal is closed that the service was started in', async () => {
    const service = await Service.start(scratch());
    const pid = service.processId;
    service.closeTerminal();
    const images = makeImages(scratch(), 'closed', sizeBytes);
    const client = await service.client();
    const job = await startJob(client, images);
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    // It has had something to say of both.
    expect((await client.request('hello', { client: 'test', apiVersion })).apiVersion).toBe(apiVersion);
    expect(service.processId).toBe(pid);
    client.close();
    expectMoved(images);
  });

  it('tells a client from its beginning to its end, and has a report afterwards', async () => {
    const service = await Service.start(scratch());
    const images = makeImages(scratch(), 'told', sizeBytes);
    const heard: JobEvent[] = [];
    const client = await service.client({ onEvent: (event) => heard.push(event) });
    const job = await startJob(client, images, { hold: true });
    const { events } = await client.request('subscribe', { job });
    expect(events[0]?.event).toBe('planned');
    await waitUntil('all has crossed', async () => (await state(service, job)) === 'synchronized');
    expect((await client.request('speed', { job, speed: 'gentle' })).speed).toBe('gentle');
    await client.request('verify', { job });
    await waitUntil('it is verified', () => heard.some(({ event }) => event === 'verified'));
    await waitUntil('it waits again', async () => (await state(service, job)) === 'synchronized');
    await client.request('cutover', { job });
    await waitUntil('the end is told', () => heard.at(-1)?.event === 'finished');
    const signatures = ['--technician', 'A', '--customer', 'B & <C>'];
    const json = await service.cli(['report', job, '--json', ...signatures]);
    expect(reportDocumentSchema.parse(JSON.parse(json.stdout))).toMatchObject({
      outcome: 'finished',
      technician: 'A',
      figures: { totalBytes: sizeBytes },
    });
    const page = await service.cli(['report', job, ...signatures]);
    expect(page.stdout).toContain('B &amp; &lt;C&gt;');
    client.close();
  });

  it('is undone when it is asked for, and not started twice with one token', async () => {
    const service = await Service.start(scratch());
    const images = makeImages(scratch(), 'undone', sizeBytes);
    const client = await service.client();
    const { token } = await client.request('plan', { ...images, frontend: 'nbd-socket' });
    const { job } = await client.request('start', { token, hold: true });
    await expect(client.request('start', { token })).rejects.toMatchObject({ code: 'plan-expired' });
    await client.request('undo', { job });
    await waitUntil('it has ended', () => hasEnded(scratch(), job));
    expect(historyOf(scratch(), job).at(-1)?.event).toBe('undone');
    await waitUntil('it is not listed', async () => (await client.request('list', {})).jobs.length === 0);
    await waitUntil('it has left', () => haveAllLeft(scratch()));
    await expect(client.request('undo', { job })).rejects.toMatchObject({ code: 'job-missing' });
    client.close();
  });

  it('is seen to die, also after a restart of the service, and goes on when asked', async () => {
    const service = await Service.start(scratch());
    const images = makeImages(scratch(), 'dying', sizeBytes);
    const job = await heldJob(service, images);
    await service.kill();
    await service.serve();
    const watching = service.run(['watch', job]);
    await waitUntil('it is watched', () => watching.said.stderr.includes('Every block has crossed'));
    await service.killJobs();
    const end = await watching.end;
    expect(end).toMatchObject({ exitCode: 4 });
    expect(end.stderr).toContain("the job's process has died");
    expect((await service.cli(['status', job, '--json'])).stdout).toContain('"died"');
    const pausing = await service.cli(['pause', job]);
    expect(pausing).toMatchObject({ exitCode: 3 });
    expect(pausing.stderr).toContain('recover');

    const client = await service.client();
    const { first } = await client.request('recover', { job });
    expect(first.event).toBe('planned');
    await expect(client.request('recover', { job })).rejects.toMatchObject({ code: 'job-state' });
    await waitUntil('all has crossed again', async () => (await state(service, job)) === 'synchronized');
    await client.request('cutover', { job });
    await waitUntil('it is not listed', async () => (await client.request('list', {})).jobs.length === 0);
    await waitUntil('it has left', () => haveAllLeft(scratch()));
    client.close();
    expectMoved(images);
  });

  it('that a reset broke off goes on by itself, and one that died alone waits for a person', async () => {
    const service = await Service.start(scratch());
    const images = ['reset', 'alone'].map((name) => makeImages(scratch(), name, sizeBytes));
    const [reset = '', alone = ''] = await Promise.all(images.map((pair) => heldJob(service, pair)));
    await service.kill();
    await service.killJobs();
    forgetBoot(reset);
    await service.serve();
    // Dead until the service has come to it.
    const now = (): Promise<string> => state(service, reset).catch(() => 'died');
    await waitUntil('it has crossed again', async () => (await now()) === 'synchronized');
    await expect(state(service, alone)).rejects.toMatchObject({ code: 'earlier-job-died' });
    expect(service.stderr).toContain(`${alone} has died since this machine was started`);
    expect((await service.cli(['cutover', reset])).exitCode).toBe(0);
    const itsState = ['--state-dir', scratch().stateDirectory];
    expect(await service.cli(['recover', alone, '--undo', ...itsState])).toMatchObject({ exitCode: 8 });
    await waitUntil('no job is left', () => haveAllLeft(scratch()));
    expectMoved(images[0] ?? { source: '', destination: '' });
  });
});

describe.skipIf(!isRoot)('many jobs', () => {
  const [inTurn, atOnce] = [usuallyOrInSoak(2, 20), 4] as const;

  it('all finish while clients come and go and the service is killed, and leave nothing', async () => {
    const service = await Service.start(scratch());
    const first = await service.client();
    await startJob(first, makeImages(scratch(), 'warm', sizeBytes)).then((job) =>
      waitUntil('the first has ended', () => hasEnded(scratch(), job)),
    );
    first.close();
    await service.kill();
    await service.serve();
    const before = { files: openFiles(service.processId), kib: residentKib(service.processId) };

    for (let index = 0; index < inTurn; index += 1) {
      const images = makeImages(scratch(), `turn-${index}`, sizeBytes);
      const client = await service.client();
      const job = await startJob(client, images);
      client.close();
      await waitUntil(`${job} has ended`, () => hasEnded(scratch(), job));
      expectMoved(images);
    }
    await waitUntil('its files are closed', () => openFiles(service.processId) <= before.files);
    const after = { files: openFiles(service.processId), kib: residentKib(service.processId) };
    const files = `open files ${before.files} to ${after.files}`;
    console.log(`${inTurn} jobs in turn: ${files}, resident ${before.kib} to ${after.kib} KiB`);

    const pairs = Array.from({ length: atOnce }, (_, index) =>
      makeImages(scratch(), `once-${index}`, sizeBytes),
    );
    const client = await service.client();
    const jobs = await Promise.all(pairs.map((pair) => startJob(client, pair, { hold: true })));
    client.close();
    await service.kill();
    await service.serve();
    for (const job of jobs) {
      await waitUntil(`${job} has crossed`, async () => (await state(service, job)) === 'synchronized');
      expect((await service.cli(['cutover', job])).exitCode).toBe(0);
    }
    await waitUntil('all have ended', () => jobs.every((job) => hasEnded(scratch(), job)));
    for (const pair of pairs) expectMoved(pair);
    await waitUntil('no job is left', () => haveAllLeft(scratch()));
  });
});
