import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { apiVersion, serviceLimits } from '../../../app/contract/service.ts';
import { Authority } from '../../../app/service/authority.ts';
import type { Connection, Handlers } from '../../../app/service/connection.ts';
import { PerUserLimit } from '../../../app/service/per-user-limit.ts';
import { ServiceServer } from '../../../app/service/server.ts';

let directory: string;
let path: string;
let server: ServiceServer | undefined;
let answer: () => void;
let bugs: unknown[];
let said: string[];
let undone: number;
const sockets: Socket[] = [];
const userId = process.geteuid?.() ?? 0;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-server-'));
  path = join(directory, 's');
  [bugs, said, undone] = [[], [], 0];
  chmodSync(directory, 0o755);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

const allowing = new Authority(true, () => Promise.resolve({ exitCode: 0, stdout: '', stderr: '' }));

/** Says hello at once, lists when it is told to, and has a fault in its reports. */
async function serve(authority = allowing): Promise<void> {
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const handlers = {
    hello: () => ({ version: '0', apiVersion, hasPolkit: false, notes: [] }),
    list: () => answered.then(() => ({ jobs: [] })),
    report: () => {
      throw new TypeError('a fault of ours');
    },
    undo: () => {
      undone += 1;
      return {};
    },
    subscribe: (_: unknown, connection: Connection) => {
      connection.subscribe({ job: null, devices: true });
      return { events: [] };
    },
  } as unknown as Handlers;
  server = await ServiceServer.listen(path, {
    authority,
    handlers,
    requests: new PerUserLimit({ perUserMax: 4, totalMax: 100 }, 'requests'),
    log: (text) => said.push(text),
    onBug: (error) => bugs.push(error),
  });
}

/** As this user for the kernel: it notes who connects at the moment when he does. */
function asUser<T>(user: number, connectNow: () => T): T {
  process.seteuid?.(user);
  try {
    return connectNow();
  } finally {
    process.seteuid?.(userId);
  }
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
    await expect(ServiceServer.listen(path, {} as never)).rejects.toMatchObject({ code: 'already-serving' });
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

  test.skipIf(userId !== 0)('has the user with most give way when all places are taken', async () => {
    await serve();
    const { connectionsMax, connectionsPerUserMax } = serviceLimits;
    const flood: Socket[] = [];
    for (let count = 0; count < connectionsMax; count += 1)
      flood.push(await asUser(1 + Math.floor(count / connectionsPerUserMax), open));
    const lost = once(flood[0] as Socket, 'close');
    flood[0]?.resume();
    const newcomer = await asUser(1000, () => ServiceClient.connect(path));
    await lost;
    expect(flood.slice(1).some(({ closed }) => closed)).toBe(false);
    newcomer.close();
  });

  test('lets go of who does not read, and takes him for idle then', async () => {
    await serve();
    const client = await ServiceClient.connect(path);
    await client.request('subscribe', { job: null });
    const [stream] = server?.streams() ?? [];
    stream?.end();
    for (let count = 0; count < serviceLimits.connectionsPerUserMax; count += 1) await open();
    await client.closed;
  });

  test.skipIf(userId !== 0)('does nothing for a client that has gone while polkit was asked', async () => {
    let allow = (): void => undefined;
    const asked = new Promise<void>((begun) => {
      const ask = async () => {
        begun();
        await new Promise<void>((allowed) => (allow = allowed));
        return { exitCode: 0, stdout: '', stderr: '' };
      };
      void serve(new Authority(true, ask));
    });
    await expect.poll(() => server).toBeDefined();
    const client = await asUser(1000, () => ServiceClient.connect(path));
    const undoing = client.request('undo', { job: 'a' }).catch(() => undefined);
    await asked;
    client.close();
    await undoing;
    const another = await ServiceClient.connect(path);
    allow();
    await another.request('undo', { job: 'b' }).catch(() => undefined);
    expect(undone).toBe(1);
    another.close();
  });

  test('takes no place from a service that is too busy to answer', async () => {
    const text = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 })`;
    const busy = spawn(process.execPath, ['--eval', `${text}; console.log('ready')`]);
    await once(busy.stdout, 'data');
    busy.kill('SIGSTOP');
    // Until the kernel takes no more.
    for (let refusals = 0; refusals < 3;) await open().catch(() => (refusals += 1));
    await expect(serve()).rejects.toMatchObject({ code: 'already-serving' });
    busy.kill('SIGKILL');
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
