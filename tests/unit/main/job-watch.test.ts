import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { createMessageConnection, ResponseError, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import type { StatusLine } from '../../../app/contract/control.ts';
import type { JobEvent, JobReport } from '../../../app/contract/events.ts';
import { apiVersion } from '../../../app/contract/service.ts';
import type { Notice } from '../../../main/job-notices.ts';
import { noticeOf } from '../../../main/job-notices.ts';
import { JobWatch } from '../../../main/job-watch.ts';
import { at, decision, failed, finished, plan, planned, progress, report, statusLine, synchronized, undone } from '../renderer/made-events.ts';

let directory: string;
let server: Server;
let watch: JobWatch;
let past: JobEvent[];
let log: JobEvent[];
let lines: StatusLine[];
let isRefusing: boolean;
let whileSubscribing: JobEvent[];
let notices: Notice[];
let timesIdle: number;
let connections: MessageConnection[];
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-watch-'));
  [past, log, lines, notices, connections, timesIdle] = [[], [], [], [], [], 0];
  [isRefusing, whileSubscribing] = [false, []];
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    connection.onRequest('hello', () => ({ version: '1', apiVersion, hasPolkit: true, notes: [] }));
    connection.onRequest('subscribe', async () => {
      connections.push(connection);
      if (isRefusing) throw new ResponseError(-32000, 'm', { code: 'too-many-requests', message: 'm', context: {} });
      for (const event of whileSubscribing) await connection.sendNotification('event', event);
      return { events: past };
    });
    connection.onRequest('logs', () => ({ events: log }));
    connection.onRequest('list', () => ({ jobs: lines }));
    connection.listen();
  });
  server.listen(join(directory, 's'));
  await once(server, 'listening');
});
afterEach(() => {
  watch.close();
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
  rmSync(directory, { recursive: true });
});

async function follow(...before: JobEvent[]): Promise<void> {
  past = before;
  watch = new JobWatch({
    socketPath: join(directory, 's'),
    notify: (notice) => notices.push(notice),
    onIdle: () => (timesIdle += 1),
  });
  await expect.poll(() => connections.length).toBe(1);
  await expect.poll(() => watch.isIdle).toBe(before.length === 0);
}

async function happens(...events: JobEvent[]): Promise<void> {
  for (const event of events) await connections.at(-1)?.sendNotification('event', event);
}

describe('JobWatch', () => {
  test.each([
    ['finished', finished, 'The move is complete'],
    ['was undone', undone, 'The move was undone'],
    ['failed', failed, 'The move has failed'],
  ])('tells that a move has %s, and that no other runs', async (_, end, title) => {
    await follow();
    await happens(planned, progress(2), end);
    await expect.poll(() => timesIdle).toBe(1);
    expect(notices).toMatchObject([{ title, body: expect.any(String) }]);
  });

  test('tells also whoever looks at another move what waits for him, and what has failed', () => {
    const subject = { source: '/dev/sdb', plan };
    expect([decision, failed].map((event) => noticeOf(event, subject)?.isUrgent)).toEqual([true, true]);
    expect([finished, undone].map((event) => noticeOf(event, subject)?.isUrgent)).toEqual([undefined, undefined]);
  });

  test('tells that a move waits for somebody, and goes on following it', async () => {
    await follow();
    lines = [statusLine({ state: 'synchronized' })];
    await happens(planned, decision, synchronized);
    await expect.poll(() => notices.map(({ title }) => title)).toEqual([
      ...['A move waits for your decision', 'Everything has crossed'],
    ]);
    expect([watch.isIdle, timesIdle]).toEqual([false, 0]);
  });

  test('tells that a cut-over or an undo waits until nobody uses the volume, and nothing of other warnings', async () => {
    await follow();
    const message = '/dev/loop9: is mounted; the job cuts over as soon as it is let go';
    await happens(planned, { event: 'warning', ...at(5000), code: 'consumer-slow', message: 'slow' });
    await happens({ event: 'warning', ...at(5100), code: 'volume-busy', message });
    await expect.poll(() => notices).toEqual([{ title: 'A move waits: its volume is in use', body: `${message}.`, isUrgent: true }]);
  });

  test('does not tell again what was before it came, also after a new connection', async () => {
    await follow(planned, synchronized);
    expect(notices).toEqual([]);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => connections.length).toBe(2);
    await happens(finished);
    await expect.poll(() => notices.map(({ title }) => title)).toEqual(['The move is complete']);
    expect(timesIdle).toBe(1);
  });

  test('tells of the cut-over not before all is read back, where that was asked for', async () => {
    await follow();
    lines = [statusLine({ state: 'verifying' })];
    await happens(verifying, synchronized);
    await happens(decision);
    await expect.poll(() => notices.length).toBe(1);
    lines = [statusLine({ state: 'synchronized' })];
    await happens(verified);
    await expect.poll(() => notices.map(({ title }) => title)).toEqual([
      ...['A move waits for your decision', 'Everything has crossed'],
    ]);
  });

  test('tells nobody to cut over what cuts over by itself', async () => {
    await follow();
    lines = [statusLine({ state: 'cutting-over' })];
    await happens(planned, synchronized);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(notices).toEqual([]);
  });

  test('tells afterwards what has come while there was no connection, and only that', async () => {
    await follow(planned, { ...decision, timeMs: 2000 });
    past = [planned, { ...decision, timeMs: 2000 }, { ...decision, timeMs: 3000, message: 'the second' }];
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => notices.map(({ body }) => body)).toEqual(['the second. Do not unplug a disk.']);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => connections.length).toBe(3);
    await happens(finished);
    await expect.poll(() => notices.length).toBe(2);
  });

  test('tells that a move has died while there was no connection', async () => {
    await follow(planned);
    [past, lines] = [[], [statusLine({ state: 'died' })]];
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => timesIdle).toBe(1);
    expect(notices.map(({ title }) => title)).toEqual(['A move has stopped']);
  });

  test('stays for a move that does not answer', async () => {
    await follow(planned);
    [past, lines] = [[], [statusLine({ state: 'not-answering' })]];
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => connections.length).toBe(2);
    await happens(finished);
    await expect.poll(() => notices.length).toBe(1);
    expect(timesIdle).toBe(1);
  });

  test('takes what comes while it subscribes after the past', async () => {
    whileSubscribing = [finished];
    past = [planned];
    watch = new JobWatch({
      ...{ socketPath: join(directory, 's'), onIdle: () => (timesIdle += 1) },
      notify: (notice) => notices.push(notice),
    });
    await expect.poll(() => timesIdle).toBe(1);
    expect(watch.isIdle).toBe(true);
  });

  test('subscribes again where that was refused', async () => {
    [isRefusing, past] = [true, [planned]];
    watch = new JobWatch({ socketPath: join(directory, 's'), onIdle: () => {}, notify: () => {} });
    await expect.poll(() => connections.length).toBe(1);
    isRefusing = false;
    await expect.poll(() => watch.isIdle).toBe(false);
  });

  test.each([
    ['and tells how', [planned, undone], ['The move was undone']],
    ['also where nobody knows how', [], []],
  ])('learns that a move has ended while there was no connection, %s', async (_, events, titles) => {
    await follow(planned);
    [past, log] = [[], events];
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => timesIdle).toBe(1);
    expect(notices.map(({ title }) => title)).toEqual(titles);
  });
});

const verifying: JobEvent = { event: 'planned', ...at(1000), plan: { ...plan, verifies: true } };
const amounts = { checkedBytes: 1, repairedBytes: 0, writtenBytes: 0, unknownBytes: 0 };
const verified: JobEvent = { event: 'verified', ...at(6000), ...amounts };

describe('a notice', () => {
  const unreadable = { extents: [], extentCount: 1, totalBytes: 4096 };
  const subject = { source: '/dev/sdb', plan };
  const finish = (isVerified: boolean, fields: Partial<JobReport> = {}): JobEvent => ({
    ...{ event: 'finished', ...at(9), verified: isVerified, report: { ...report, ...fields } },
  });
  const plain = 'The move is complete';
  const but = 'The move is complete, with points to note';

  test.each<[string, JobEvent, boolean, string]>([
    ['all went well', finish(true), true, plain],
    ['no verification was asked for', finish(false), false, plain],
    ['what was asked for was not verified', finish(false), true, but],
    ['something could not be read', finish(true, { unreadable }), true, but],
    ['something is to be noted', finish(true, { warnings: ['slow'] }), true, but],
  ])('of an end where %s says no more than that', (_, event, verifies, title) => {
    expect(noticeOf(event, { ...subject, plan: { ...plan, verifies } })?.title).toBe(title);
  });

  test('of an undone move that has lost something does not say that the source holds everything', () => {
    const lossy: JobEvent = { event: 'undone', ...at(9), report: { ...report, unreadable } };
    expect(noticeOf(lossy, subject)?.body).toContain('not all that was written');
  });
});
