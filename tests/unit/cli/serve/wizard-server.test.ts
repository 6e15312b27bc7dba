import { once } from 'node:events';
import { request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import { WebSocket } from 'ws';
import { WizardServer } from '../../../../app/cli/serve/wizard-server.ts';
import { bridgePath, refusedTokenCode } from '../../../../app/contract/bridge.ts';
import { apiVersion } from '../../../../app/contract/service.ts';

let directory: string;
let server: WizardServer;
let service: Server;
let timesAlone = 0;
const sockets = new Set<WebSocket>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-serve-'));
  timesAlone = 0;
  const onAlone = (): void => void (timesAlone += 1);
  server = await WizardServer.listen({ port: 0, socketPath: join(directory, 's'), onAlone });
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  sockets.clear();
  await server.close();
  rmSync(directory, { recursive: true });
});

async function withService(): Promise<void> {
  service = createServer((socket) => {
    socket.on('error', () => {});
    const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    connection.onRequest('hello', () => ({ version: '9', apiVersion, hasPolkit: true, notes: [] }));
    connection.onRequest('list', () => ({ jobs: [] }));
    connection.listen();
  });
  service.listen(join(directory, 's'));
  await once(service, 'listening');
}

interface Page {
  readonly socket: WebSocket;
  readonly frames: Record<string, unknown>[];
  readonly end: Promise<number>;
  send(frame: object | string): void;
}

async function openPage(origin?: string): Promise<Page> {
  const { host, origin: own } = new URL(server.newLink());
  const socket = new WebSocket(`ws://${host}${bridgePath}`, { origin: origin ?? own });
  sockets.add(socket);
  const frames: Record<string, unknown>[] = [];
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Record<string, unknown>));
  const end = new Promise<number>((resolve) => socket.once('close', resolve));
  await once(socket, 'open');
  const send = (frame: object | string): void =>
    socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  return { socket, frames, end, send };
}

function tokenOf(link: string): string {
  return new URL(link).hash.slice(1);
}

function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { port } = new URL(server.newLink());
  return new Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
        let body = '';
        response.on('data', (text: Buffer) => (body += text.toString()));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
      });
      asked.once('error', reject).end();
    },
  );
}

describe('the files of the wizard', () => {
  test('come with a policy that allows nothing but themselves, and another nonce each time', async () => {
    const [one, other] = [await get('/'), await get('/')];
    const policy = String(one.headers['content-security-policy']);
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? 'none';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(one.body).toContain(nonce);
    expect(one.body).not.toContain('@NONCE@');
    expect(other.body).not.toContain(nonce);
  });

  test('load nothing from anywhere else', async () => {
    const [page, style] = [await get('/'), await get('/wizard.css')];
    expect(page.body).not.toMatch(/https?:/);
    expect(style.body).not.toMatch(/url\(|https?:/);
  });

  test.each([
    ['of another name, as a page of the web would', '/', { Host: 'evil.example' }, 'GET', 421],
    ['of a name that only begins like ours', '/', { Host: '127.0.0.1.evil.example' }, 'GET', 421],
    ['to send something', '/', {}, 'POST', 405],
    ['of a path above', '/../package.json', {}, 'GET', 404],
    ['of a property of every object', '/constructor', {}, 'GET', 404],
  ])('are refused to a request %s', async (_, path, headers, method, status) => {
    expect((await get(path, headers, method)).status).toBe(status);
  });

  test('are there through a tunnel, at another port', async () => {
    const { headers, status } = await get('/', { Host: 'localhost:8080' });
    expect(status).toBe(200);
    expect(headers['content-security-policy']).toContain('ws://localhost:8080');
  });
});

describe('a page of the wizard', () => {
  test('is opened by its link once, and by its session again', async () => {
    await withService();
    const token = tokenOf(server.newLink());
    const first = await openPage();
    first.send({ kind: 'open', token: tokenOf(server.newLink()) });
    await expect.poll(() => first.frames[0]?.['kind']).toBe('opened');
    const session = first.frames[0]?.['session'];
    const again = await openPage();
    again.send({ kind: 'open', token: session });
    await expect.poll(() => again.frames[0]).toEqual({ kind: 'opened', session });
    const late = await openPage();
    late.send({ kind: 'open', token });
    expect(await late.end).toBe(refusedTokenCode);
    expect(late.frames).toEqual([]);
    service.close();
  });

  test('is told of the service, and asks it', async () => {
    const page = await openPage();
    page.send({ kind: 'open', token: tokenOf(server.newLink()) });
    await expect.poll(() => page.frames[1]).toMatchObject({ message: { service: { state: 'absent' } } });
    await withService();
    await expect.poll(() => page.frames[2]).toMatchObject({ message: { service: { state: 'connected', version: '9' } } });
    page.send({ kind: 'ask', id: 7, request: { name: 'list', parameters: {} } });
    await expect.poll(() => page.frames[3]).toEqual({ kind: 'answer', id: 7, answer: { outcome: 'done', result: { jobs: [] } } });
    page.send({ kind: 'ask', id: 8, request: { name: 'pause', parameters: { job: '../x' } } });
    await expect.poll(() => page.frames[4]).toMatchObject({ id: 8, answer: { refusal: { code: 'usage' } } });
    service.close();
  });

  test.each([
    ['asks before it is open', { kind: 'ask', id: 1, request: { name: 'list', parameters: {} } }],
    ['asks for what no page may ask', { kind: 'ask', id: 1, request: { name: 'hello', parameters: {} } }],
    ['speaks no JSON', 'hello'],
    ['opens itself with no text', { kind: 'open', token: 1 }],
  ])('is let go when it %s', async (_, frame) => {
    const page = await openPage();
    page.send(frame);
    expect(await page.end).toBe(1008);
  });

  test('is let go when it says too much at once', async () => {
    const page = await openPage();
    page.socket.on('error', () => {});
    page.send({ kind: 'open', token: 'x'.repeat(100_000) });
    expect(await page.end).not.toBe(1000);
  });

  test('leaves the server alone when it is closed, and not when it is loaded anew', async () => {
    const page = await openPage();
    page.send({ kind: 'open', token: tokenOf(server.newLink()) });
    await expect.poll(() => page.frames.length).toBeGreaterThan(0);
    page.socket.close();
    const again = await openPage();
    again.send({ kind: 'open', token: page.frames[0]?.['session'] });
    await expect.poll(() => again.frames.length).toBeGreaterThan(0);
    // Who has no key says nothing by going.
    const stranger = await openPage();
    stranger.send({ kind: 'open', token: 'x' });
    await stranger.end;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(timesAlone).toBe(0);
    again.socket.close();
    await expect.poll(() => timesAlone).toBe(1);
  });

  test('is no page of another place', async () => {
    await expect(openPage('http://evil.example')).rejects.toThrow(/403/);
    await expect(openPage('http://127.0.0.1:1')).rejects.toThrow(/403/);
  });
});
