import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from 'vscode-jsonrpc/node.js';
import { BoundedReader } from '../../../app/service/bounded-reader.ts';

let directory: string;
let server: Server;
let client: Socket;
let served: Socket;
let messages: Message[];
let errors: Error[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-reader-'));
  server = createServer();
  server.listen(join(directory, 's'));
  await once(server, 'listening');
  client = connect(join(directory, 's'));
  client.on('error', () => undefined);
  [served] = (await once(server, 'connection')) as [Socket];
  served.on('error', () => undefined);
  [messages, errors] = [[], []];
});

/** No time of its own unless a test is about time: the machine may be slow. */
function read(messageMsMax = 60_000): void {
  const reader = new BoundedReader(served, { bytesMax: 100, messageMsMax });
  reader.onError((error) => errors.push(error));
  reader.listen((message) => messages.push(message));
}

afterEach(() => {
  client.destroy();
  served.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

const frame = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const ask = (method: string): string => frame(JSON.stringify({ jsonrpc: '2.0', method }));

async function closed(): Promise<void> {
  if (!served.destroyed) await once(served, 'close');
}

describe('BoundedReader', () => {
  test('takes messages apart wherever the bytes are cut', async () => {
    read();
    const bytes = Buffer.from(ask('één') + ask('two') + ask('three'));
    for (const byte of bytes) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => messages.length).toBe(3);
    expect(messages[0]).toEqual({ jsonrpc: '2.0', method: 'één' });
  });

  test('takes many messages of one chunk, and other headers', async () => {
    read();
    const [body = ''] = ask('a').split('\r\n\r\n').slice(1);
    client.write(`Content-Type: x\r\ncontent-length: ${body.length}\r\n\r\n${body}${ask('a').repeat(50)}`);
    await expect.poll(() => messages.length).toBe(51);
  });

  test.each([
    ['a message over the limit, at its header', 'Content-Length: 101\r\n\r\n'],
    ['a header without a length', 'Content-Type: x\r\n\r\n'],
    ['a length that is no number', 'Content-Length: -1\r\n\r\n'],
    ['a header that never ends', 'x'.repeat(2000)],
    ['what is no JSON', frame('{')],
    ['what is no object', frame('[]')],
    ['what is not JSON-RPC', frame('{}')],
    ['what asks nothing', frame('{"jsonrpc":"2.0","id":1}')],
    ['an answer to nobody', frame('{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}')],
    ['a request that nobody could be told the answer of', frame('{"jsonrpc":"2.0","id":[],"method":"a"}')],
  ])('ends the connection at %s', async (_, text) => {
    read();
    client.write(text);
    await closed();
    expect(errors.length).toBe(1);
    expect(messages).toEqual([]);
  });

  test('waits for ever between messages, and not in the middle of one', async () => {
    read(50);
    client.write(ask('a'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(served.destroyed).toBe(false);
    client.write('Content-Length: 50\r\n\r\n{');
    await closed();
  });

  test('does not wait for one who sends a byte now and then', async () => {
    read(50);
    client.write('Content-Length: 90\r\n\r\n');
    const drip = setInterval(() => client.write('x'), 10);
    await closed().finally(() => clearInterval(drip));
    expect(messages).toEqual([]);
  });
});
