import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import type { JobEvent } from '../../../app/contract/events.ts';
import { apiVersion } from '../../../app/contract/service.ts';
import type { Notice } from '../../../main/job-watch.ts';
import { JobWatch } from '../../../main/job-watch.ts';
import { decision, failed, finished, planned, progress, synchronized, undone } from '../renderer/made-events.ts';

let directory: string;
let server: Server;
let watch: JobWatch;
let past: JobEvent[];
let log: JobEvent[];
let notices: Notice[];
let timesIdle: number;
let connections: MessageConnection[];
const sockets = new Set<Socket>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-watch-'));
  [past, log, notices, connections, timesIdle] = [[], [], [], [], 0];
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    connection.onRequest('hello', () => ({ version: '1', apiVersion, hasPolkit: true, notes: [] }));
    connection.onRequest('subscribe', () => {
      connections.push(connection);
      return { events: past };
    });
    connection.onRequest('logs', () => ({ events: log }));
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
    expect(notices).toEqual([{ title, body: expect.any(String) }]);
  });

  test('tells that a move waits for somebody, and goes on following it', async () => {
    await follow();
    await happens(planned, decision, synchronized);
    await expect.poll(() => notices.map(({ title }) => title)).toEqual([
      ...['A move waits for your decision', 'Everything has crossed'],
    ]);
    expect([watch.isIdle, timesIdle]).toEqual([false, 0]);
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
