import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askJob } from '../../../app/migration/control-client.ts';

const job = 'sda-1';
let stateDirectory: string;
let directory: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'diskferry-ask-'));
  directory = join(stateDirectory, 'jobs', job);
  mkdirSync(directory, { recursive: true });
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
  server = undefined;
  rmSync(stateDirectory, { recursive: true });
});

async function serve(onRequest: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => onRequest(socket));
  });
  server.listen(join(directory, 'control.sock'));
  await once(server, 'listening');
}

const ask = (limitMs = 60_000) => askJob(stateDirectory, job, 'status', {}, limitMs);

describe('askJob', () => {
  test('does not wait for ever for a job that does not answer', async () => {
    await serve(() => undefined);
    await expect(ask(100)).rejects.toMatchObject({
      code: 'job-silent',
      message: `${job}: the job has not answered "status" for 0.1 seconds`,
    });
  });

  test('refuses an answer that it does not understand', async () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 0, result: { state: 'dancing' } });
    await serve((socket) => socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`));
    await expect(ask()).rejects.toMatchObject({ code: 'job-silent' });
  });

  test('refuses a refusal of a kind that it does not know', async () => {
    const error = { code: 1, message: 'no', data: { code: 'of-the-future', message: 'no', context: {} } };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 0, error });
    await serve((socket) => socket.write(`Content-Length: ${body.length}\r\n\r\n${body}`));
    await expect(ask()).rejects.toMatchObject({ code: 'job-silent' });
  });

  test('says that a job has ended before it answered', async () => {
    await serve((socket) => socket.destroy());
    await expect(ask()).rejects.toMatchObject({ code: 'job-missing' });
  });

  test.each([
    ['nothing there', () => undefined],
    ['a socket that nobody listens at', () => writeFileSync(join(directory, 'control.sock'), '')],
  ])('says that there is no such job: %s', async (_, leave) => {
    leave();
    await expect(ask()).rejects.toMatchObject({ code: 'job-missing' });
  });
});
