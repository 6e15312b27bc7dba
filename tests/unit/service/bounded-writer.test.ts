import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SocketMessageReader } from 'vscode-jsonrpc/node.js';
import type { Message } from 'vscode-jsonrpc/node.js';
import { BoundedWriter } from '../../../app/service/bounded-writer.ts';

const bytesMax = 100_000;
let directory: string;
let server: Server;
let client: Socket;
let served: Socket;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-writer-'));
  server = createServer();
  server.listen(join(directory, 's'));
  await once(server, 'listening');
  client = connect(join(directory, 's'));
  [served] = (await once(server, 'connection')) as [Socket];
});

afterEach(() => {
  client.destroy();
  served.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

const message = (text: string): Message => ({ jsonrpc: '2.0', text }) as Message;

describe('BoundedWriter', () => {
  test('writes what the library reads, in order', async () => {
    const writer = new BoundedWriter(served, bytesMax);
    const heard: Message[] = [];
    new SocketMessageReader(client).listen((one) => heard.push(one));
    const texts = ['één', '', 'x'.repeat(300_000), 'last'];
    for (const text of texts) {
      await writer.write(message(text));
      if (served.writableNeedDrain) await once(served, 'drain');
    }
    await expect.poll(() => heard).toEqual(texts.map(message));
  });

  test('lets go of one who reads nothing, and holds no more than the limit and one message', async () => {
    client.pause();
    const writer = new BoundedWriter(served, bytesMax);
    const text = 'é'.repeat(5_000);
    let held = 0;
    for (let count = 0; count < 10_000 && !served.destroyed; count += 1) {
      await writer.write(message(text));
      held = Math.max(held, served.writableLength);
    }
    expect(served.destroyed).toBe(true);
    expect(held).toBeGreaterThan(bytesMax);
    expect(held).toBeLessThan(bytesMax + 11_000);
    // Whoever goes on writing to it is not troubled.
    await writer.write(message('late'));
  });
});
