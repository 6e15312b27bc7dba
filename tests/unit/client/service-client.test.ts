import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MessageConnection } from 'vscode-jsonrpc/node.js';
import {
  createMessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node.js';
import { DiskferryError } from '../../../app/base/error.ts';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { apiVersion } from '../../../app/contract/service.ts';

let directory: string;
let path: string;
let server: Server;
const sockets = new Set<Socket>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-client-'));
  path = join(directory, 's');
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
  rmSync(directory, { recursive: true });
});

const hello = { version: '0', apiVersion, hasPolkit: false, notes: [] };

/** A service that says hello, and whatever else it is told to. */
async function serve(
  act: (connection: MessageConnection, socket: Socket) => void = () => {},
  { says = hello, backlog = 511 }: { says?: typeof hello | Promise<never>; backlog?: number } = {},
): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const connection = createMessageConnection(
      new SocketMessageReader(socket),
      new SocketMessageWriter(socket),
    );
    connection.onRequest('hello', () => says);
    act(connection, socket);
    connection.listen();
  });
  server.listen({ path, backlog });
  await once(server, 'listening');
}

describe('ServiceClient', () => {
  test('waits for its turn while the queue at the socket is full', async () => {
    await serve(undefined, { backlog: 1 });
    const clients = await Promise.all(Array.from({ length: 60 }, () => ServiceClient.connect(path)));
    expect(sockets.size).toBe(60);
    for (const client of clients) client.close();
  });

  test('says that nobody listens', async () => {
    await serve();
    await expect(ServiceClient.connect(join(directory, 'none'))).rejects.toMatchObject({
      code: 'no-service',
      message: expect.stringContaining('there is no service'),
    });
  });

  test('speaks to no service of another version', async () => {
    await serve(undefined, { says: { ...hello, apiVersion: apiVersion + 1 } });
    await expect(ServiceClient.connect(path)).rejects.toMatchObject({ code: 'service-version' });
  });

  test('throws a refusal as it was meant', async () => {
    const refusal = new DiskferryError('not-authorised', 'no', { context: { action: 'a' } });
    await serve((connection) =>
      connection.onRequest('list', () => new ResponseError(-32000, 'no', refusal.toData())),
    );
    const client = await ServiceClient.connect(path);
    await expect(client.request('list', {})).rejects.toMatchObject(refusal.toData());
    client.close();
  });

  test('does not wait for a service that goes before it answers, nor asks one that has gone', async () => {
    await serve((connection, socket) =>
      connection.onRequest('list', () => {
        socket.destroy();
        return new Promise(() => {});
      }),
    );
    const client = await ServiceClient.connect(path);
    await expect(client.request('list', {})).rejects.toMatchObject({ code: 'no-service' });
    await client.closed;
    await expect(client.request('list', {})).rejects.toMatchObject({ code: 'no-service' });
  });

  test('does not wait for ever for a service that does not answer', async () => {
    const patience = { helloMsMax: 60_000, answerMsMax: 50, lookMsMax: 100 };
    await serve((connection) => {
      for (const name of ['list', 'plan']) connection.onRequest(name, () => new Promise(() => {}));
    });
    const client = await ServiceClient.connect(path, {}, patience);
    await expect(client.request('list', {})).rejects.toMatchObject({ code: 'service-silent' });
    const disks = { source: '/a', destination: '/b' };
    await expect(client.request('plan', disks)).rejects.toMatchObject({ code: 'service-silent' });
    client.close();
  });

  test('takes one that does not even say hello for none', async () => {
    await serve(undefined, { says: new Promise<never>(() => {}) });
    const connecting = ServiceClient.connect(path, {}, { helloMsMax: 50, answerMsMax: 1, lookMsMax: 1 });
    await expect(connecting).rejects.toMatchObject({
      code: 'no-service',
      message: expect.stringContaining('has not answered "hello"'),
    });
  });

  test('tells what it hears, and refuses an answer that is none', async () => {
    const heard: unknown[] = [];
    const event = { event: 'paused', job: 'a', timeMs: 1 };
    await serve((connection) => {
      connection.onRequest('unsubscribe', () => {
        void connection.sendNotification('event', { ...event, event: 'of-the-future' });
        void connection.sendNotification('event', event);
        void connection.sendNotification('streamEnded', { reason: 'slow' });
        return {};
      });
      connection.onRequest('list', () => ({ jobs: 'none' }));
    });
    const client = await ServiceClient.connect(path, {
      onEvent: (one) => heard.push(one),
      onStreamEnded: (reason) => heard.push(reason),
    });
    await client.request('unsubscribe', {});
    await expect.poll(() => heard).toEqual([event, 'slow']);
    await expect(client.request('list', {})).rejects.toThrow(/expected array/);
    client.close();
  });

  test('understands of a newer service what it can, and always the end of a job', async () => {
    const paused = { event: 'paused', job: 'a', timeMs: 1 };
    const unknown = { ...paused, event: 'of-the-future' };
    const words = { code: 'of-the-future', message: 'm', advice: 'b', dataIs: 'source' };
    const end = { event: 'failed', job: 'a', timeMs: 2, ...words };
    await serve((connection) => {
      connection.onRequest('subscribe', () => ({ events: [paused, unknown, end] }));
      connection.onRequest('recover', () => ({ job: 'a', first: end }));
    });
    const client = await ServiceClient.connect(path);
    const understood = { ...end, code: 'end-not-understood' };
    expect(await client.request('subscribe', { job: 'a' })).toEqual({ events: [paused, understood] });
    expect(await client.request('recover', { job: 'a' })).toEqual({ job: 'a', first: understood });
    client.close();
  });
});
