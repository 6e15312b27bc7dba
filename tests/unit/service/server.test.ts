import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { apiVersion, serviceLimits } from '../../../app/contract/service.ts';
import { Authority } from '../../../app/service/authority.ts';
import type { Handlers } from '../../../app/service/connection.ts';
import { PerUserLimit } from '../../../app/service/per-user-limit.ts';
import { ServiceServer } from '../../../app/service/server.ts';

let directory: string;
let path: string;
let server: ServiceServer | undefined;
let answer: () => void;
let bugs: unknown[];
let said: string[];
const sockets: Socket[] = [];
const userId = process.geteuid?.() ?? 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-server-'));
  path = join(directory, 's');
  [bugs, said] = [[], []];
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

/** Says hello at once, lists when it is told to, and has a fault in its reports. */
async function serve(): Promise<void> {
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const handlers = {
    hello: () => ({ version: '0', apiVersion, hasPolkit: false, notes: [] }),
    list: () => answered.then(() => ({ jobs: [] })),
    report: () => {
      throw new TypeError('a fault of ours');
    },
    undo: () => ({}),
  } as unknown as Handlers;
  server = await ServiceServer.listen(path, {
    authority: new Authority(true, () => Promise.resolve({ exitCode: 0, stdout: '', stderr: '' })),
    handlers,
    requests: new PerUserLimit(4, 'requests'),
    log: (text) => said.push(text),
    onBug: (error) => bugs.push(error),
  });
}

function open(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    sockets.push(socket);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

describe('ServiceServer', () => {
  test('lets everybody connect, and takes the place of a service that was killed', async () => {
    await serve();
    expect(statSync(path).mode & 0o777).toBe(0o666);
    await expect(ServiceServer.listen(path, {} as never)).rejects.toMatchObject({ code: 'socket-unusable' });
  });

  test('removes nothing that is no socket', async () => {
    writeFileSync(path, 'precious');
    await expect(serve()).rejects.toMatchObject({ code: 'socket-unusable' });
    expect(statSync(path).size).toBe(8);
  });

  test('keeps few connections of one user: the oldest gives way, unless it waits for an answer', async () => {
    await serve();
    const waiting = await ServiceClient.connect(path);
    const listed = waiting.request('list', {});
    const idle = await ServiceClient.connect(path);
    for (let count = 0; count < serviceLimits.connectionsPerUserMax; count += 1) await open();
    await idle.closed;
    answer();
    expect((await listed).jobs).toEqual([]);
    waiting.close();
  });

  test('refuses more requests than one user may have open, on whatever connections', async () => {
    await serve();
    const clients = await Promise.all([1, 2, 3].map(() => ServiceClient.connect(path)));
    const all = clients.flatMap((client) => [client.request('list', {}), client.request('list', {})]);
    const ends = Promise.allSettled(all);
    await Promise.race(all).catch(() => {});
    answer();
    const refused = (await ends).flatMap((end) => (end.status === 'rejected' ? [end.reason as object] : []));
    expect(refused.length).toBe(2);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'too-many-requests' });
    for (const client of clients) client.close();
  });

  test('tells of its own faults, and goes on', async () => {
    await serve();
    const client = await ServiceClient.connect(path);
    await expect(client.request('report', { job: 'a' })).rejects.toThrow('a fault of ours');
    expect(bugs).toEqual([new TypeError('a fault of ours')]);
    answer();
    await client.request('list', {});
    client.close();
  });

  test('notes who had what done, and not who looked', async () => {
    await serve();
    const client = await ServiceClient.connect(path);
    answer();
    await client.request('list', {});
    await client.request('undo', { job: 'sda-1' }).catch(() => {});
    expect(said).toEqual([`user ${userId}, process ${process.pid}: undo sda-1`]);
    client.close();
  });
});
