import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import { WebSocket } from 'ws';
import { WizardServer } from '../../../../app/cli/serve/wizard-server.ts';
import { aliveEveryMs, bridgePath, refusedTokenCode } from '../../../../app/contract/bridge.ts';
import { apiVersion } from '../../../../app/contract/service.ts';

let directory: string;
let server: WizardServer;
let service: Server;
let timesAlone = 0;
/** Where it is; each new link makes the one before void. */
let place: URL;
const sockets = new Set<WebSocket>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-serve-'));
  timesAlone = 0;
  const onAlone = (): void => void (timesAlone += 1);
  server = await WizardServer.listen({ port: 0, socketPath: join(directory, 's'), onAlone });
  place = new URL(server.newLink());
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

async function openPage(origin?: string, autoPong = true): Promise<Page> {
  const { host, origin: own } = place;
  const socket = new WebSocket(`ws://${host}${bridgePath}`, { origin: origin ?? own, autoPong });
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

const nonce = 'a'.repeat(64);

function signed(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** As a page does it; returns the key that it has then. */
async function letIn(page: Page, key: string): Promise<string> {
  page.send({ kind: 'open', keyName: signed(key, 'name'), nonce });
  await expect.poll(() => page.frames[0]?.['kind']).toBe('proof');
  const { nonce: hostNonce, proof } = page.frames[0] ?? {};
  const nonces = `${nonce} ${String(hostNonce)}`;
  expect(proof).toBe(signed(key, `host ${nonces}`));
  page.send({ kind: 'prove', proof: signed(key, `page ${nonces}`) });
  await expect.poll(() => page.frames[1]).toEqual({ kind: 'opened' });
  return signed(key, `session ${nonces}`);
}

async function openedPage(): Promise<Page> {
  const page = await openPage();
  await letIn(page, tokenOf(server.newLink()));
  return page;
}

/** What comes after the page has been let in. */
function told(page: Page, index: number): Record<string, unknown> | undefined {
  return page.frames[index + 2];
}

function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { port } = place;
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
    const unused = tokenOf(server.newLink());
    const token = tokenOf(server.newLink());
    const session = await letIn(await openPage(), token);
    await letIn(await openPage(), session);
    for (const key of [unused, token]) {
      const late = await openPage();
      late.send({ kind: 'open', keyName: signed(key, 'name'), nonce });
      expect(await late.end).toBe(refusedTokenCode);
      expect(late.frames).toEqual([]);
    }
    service.close();
  });

  test('is not opened by who only knows the name of a key, and the link stays valid', async () => {
    const token = tokenOf(server.newLink());
    const stranger = await openPage();
    stranger.send({ kind: 'open', keyName: signed(token, 'name'), nonce });
    await expect.poll(() => stranger.frames.length).toBe(1);
    // What the host has signed serves for nothing else.
    stranger.send({ kind: 'prove', proof: stranger.frames[0]?.['proof'] as string });
    expect(await stranger.end).toBe(refusedTokenCode);
    await letIn(await openPage(), token);
  });

  test('is told of the service, and asks it', async () => {
    const page = await openedPage();
    await expect.poll(() => told(page, 0)).toMatchObject({ message: { service: { state: 'absent' } } });
    await withService();
    await expect.poll(() => told(page, 1)).toMatchObject({ message: { service: { state: 'connected', version: '9' } } });
    page.send({ kind: 'ask', id: 7, request: { name: 'list', parameters: {} } });
    await expect.poll(() => told(page, 2)).toEqual({ kind: 'answer', id: 7, answer: { outcome: 'done', result: { jobs: [] } } });
    page.send({ kind: 'ask', id: 8, request: { name: 'pause', parameters: { job: '../x' } } });
    await expect.poll(() => told(page, 3)).toMatchObject({ id: 8, answer: { refusal: { code: 'usage' } } });
    service.close();
  });

  test.each([
    ['asks before it is open', { kind: 'ask', id: 1, request: { name: 'list', parameters: {} } }],
    ['proves what nobody asked for', { kind: 'prove', proof: nonce }],
    ['asks for what no page may ask', { kind: 'ask', id: 1, request: { name: 'hello', parameters: {} } }],
    ['speaks no JSON', 'hello'],
    ['opens itself with no text', { kind: 'open', keyName: 1, nonce }],
  ])('is let go when it %s', async (_, frame) => {
    const page = await openPage();
    page.send(frame);
    expect(await page.end).toBe(1008);
  });

  test('does not spend its link when it is let go before it is heard', async () => {
    const token = tokenOf(server.newLink());
    const page = await openPage();
    // Both arrive together: the first has it let go.
    page.socket.send('hello');
    page.send({ kind: 'open', keyName: signed(token, 'name'), nonce });
    await page.end;
    expect(page.frames).toEqual([]);
    await letIn(await openPage(), token);
  });

  test('is let go when it says too much at once', async () => {
    const page = await openPage();
    page.socket.on('error', () => {});
    page.send({ kind: 'open', keyName: 'x'.repeat(100_000), nonce });
    expect(await page.end).not.toBe(1000);
  });

  test('leaves the server alone when it is closed, and not when it is loaded anew', async () => {
    const page = await openPage();
    const session = await letIn(page, tokenOf(server.newLink()));
    page.socket.close();
    const again = await openPage();
    await letIn(again, session);
    // Who has no key says nothing by going.
    const stranger = await openPage();
    stranger.send({ kind: 'open', keyName: nonce, nonce });
    await stranger.end;
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(timesAlone).toBe(0);
    again.socket.close();
    await expect.poll(() => timesAlone).toBe(1);
  });

  test('is let go when it has gone without a word, and kept as long as it answers', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const dead = await openPage(undefined, false);
      await letIn(dead, tokenOf(server.newLink()));
      const page = await openedPage();
      for (const id of [0, 1, 2]) {
        const pinged = once(page.socket, 'ping');
        vi.advanceTimersByTime(aliveEveryMs);
        await pinged;
        // Its answer to the ping comes before this.
        page.send({ kind: 'ask', id, request: { name: 'list', parameters: {} } });
        await expect.poll(() => page.frames.some((frame) => frame['id'] === id)).toBe(true);
      }
      expect(await dead.end).toBe(1006);
      // A browser's page hears no pings.
      expect(page.frames.filter(({ kind }) => kind === 'alive')).toHaveLength(3);
      expect(page.socket.readyState).toBe(WebSocket.OPEN);
    } finally {
      vi.useRealTimers();
    }
  });

  test('cannot be kept out by connections that have no key', async () => {
    const page = await openedPage();
    const { port } = place;
    const idle = Array.from({ length: 100 }, () => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      return socket;
    });
    const silent: Page[] = [];
    for (let count = 0; count < 60; count += 1) silent.push(await openPage());
    expect((await get('/')).status).toBe(200);
    await letIn(await openPage(), tokenOf(server.newLink()));
    // Nor pushed out once it is in.
    expect(page.socket.readyState).toBe(WebSocket.OPEN);
    for (const socket of idle) socket.destroy();
  });

  test('is no page of another place', async () => {
    await expect(openPage('http://evil.example')).rejects.toThrow(/403/);
    await expect(openPage('http://127.0.0.1:1')).rejects.toThrow(/403/);
  });
});
