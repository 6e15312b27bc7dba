/**
 * Clients that mean harm, or are broken: whatever they send or leave out, the service stays, its job goes on,
 * and other clients are answered.
 */
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { ServiceClient } from '../../app/client/service-client.ts';
import { serviceLimits, serviceRequests } from '../../app/contract/service.ts';
import { useScratch } from './support/scratch.ts';
import { Service, haveAllLeft, makeImages, openFiles, residentKib, startJob } from './support/service.ts';
import { usuallyOrInSoak } from './support/soak.ts';
import { inTime, waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const nobody = 65_534;
const messageCount = usuallyOrInSoak(2_000, 100_000);
const connectionCount = 1_000;

function frame(body: string): string {
  return `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const call = (method: string, params: unknown = {}, id: unknown = 1): string =>
  frame(textOf({ jsonrpc: '2.0', id, method, params }));

/** Requests that look right from outside, and bytes that do not. */
const names = Object.keys(serviceRequests);
const oddNames = ['$/cancelRequest', '$/setTrace', '$/progress', '__proto__', 'constructor'];
/** Mostly what can be answered: all else loses its connection at once. */
const anyId = fc.oneof({ weight: 20, arbitrary: fc.integer() }, fc.string(), fc.anything());
const anyMessage = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom(...names), fc.anything(), anyId)
      .map(([method, params, id]) => call(method, params, id)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.oneof(fc.string(), fc.constantFrom(...oddNames)), fc.jsonValue(), fc.integer())
      .map(([method, params, id]) => call(method, params, id)),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ id: fc.integer(), result: fc.jsonValue(), error: fc.jsonValue() })
      .map((answer) => frame(textOf({ jsonrpc: '2.0', ...answer }))),
  },
  { weight: 2, arbitrary: fc.jsonValue().map((value) => frame(textOf(value))) },
  { weight: 1, arbitrary: fc.string({ maxLength: 300 }).map(frame) },
  { weight: 1, arbitrary: fc.string({ maxLength: 300 }) },
  { weight: 1, arbitrary: fc.nat(2 ** 31).map((length) => `Content-Length: ${length}\r\n\r\n{}`) },
);

function textOf(value: unknown): string {
  try {
    return JSON.stringify(value ?? null);
  } catch {
    return 'null'; // what cannot be written cannot be sent
  }
}

/** Unlike events.once, this does not mind errors: closing follows. */
function drainOrClose(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    socket.once('close', resolve);
  });
}

function closed(socket: Socket, why: string): Promise<void> {
  return inTime(`the service lets go of who ${why}`, new Promise((resolve) => socket.once('close', resolve)));
}

/** Sends until the service lets go; returns how many it took. */
async function sendAll(socket: Socket, messages: readonly string[]): Promise<number> {
  socket.resume();
  let sent = 0;
  for (const message of messages) {
    if (socket.destroyed || socket.readableEnded) break;
    sent += 1;
    if (!socket.write(message)) await drainOrClose(socket);
  }
  socket.destroy();
  return sent;
}

describe.skipIf(!isRoot)('hostile clients', () => {
  /** Beside a client that has nothing to do with them, which must still be there in the end. */
  async function withJob(act: (service: Service, other: ServiceClient) => Promise<void>): Promise<void> {
    const service = await Service.start(scratch());
    const pid = service.processId;
    const other = await service.client();
    const job = await startJob(other, makeImages(scratch(), 'victim', 8 * mebibyte), { hold: true });
    const state = async (): Promise<string> => (await other.request('status', { job })).state;
    await waitUntil('it has crossed', async () => (await state()) === 'synchronized');
    await act(service, other);
    expect(service.processId).toBe(pid);
    expect(service.stderr).not.toContain('bug');
    expect(await state()).toBe('synchronized');
    await other.request('cutover', { job });
    await waitUntil('it has ended', () => haveAllLeft(scratch()));
    other.close();
  }

  it(`does not mind ${messageCount} messages that are wrong in every way`, { timeout: 600_000 }, async () => {
    await withJob(async (service) => {
      const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
      console.log(`seed ${seed}`);
      const messages = fc.sample(anyMessage, { numRuns: messageCount, seed });
      for (let done = 0; done < messages.length;)
        done += await sendAll(await service.raw(), messages.slice(done, done + 200));
    });
  });

  it('does not mind what is nested as deeply as a message can be', async () => {
    const deep = '['.repeat(30_000) + ']'.repeat(30_000);
    const bodies = [
      `{"jsonrpc":"2.0","x":${deep}}`,
      `{"jsonrpc":"2.0","id":null,"error":${deep}}`,
      `{"jsonrpc":"2.0","id":1,"result":${deep}}`,
      `{"jsonrpc":"2.0","id":${deep},"method":"list"}`,
      `{"jsonrpc":"2.0","id":1,"method":"list","params":${deep}}`,
      `{"jsonrpc":"2.0","id":1,"method":"status","params":{"job":${deep}}}`,
      `{"jsonrpc":"2.0","id":1,"method":"nothing","params":{"x":${deep}}}`,
      `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":${deep}}}`,
      `{"jsonrpc":"2.0","method":"$/progress","params":${deep}}`,
      `{"jsonrpc":"2.0","method":"nothing","params":${deep}}`,
    ];
    await withJob(async (service, other) => {
      for (const body of bodies) {
        const socket = await service.raw();
        socket.resume();
        // Whatever becomes of it, what follows it on the same connection is taken or the connection is lost.
        socket.write(frame(body) + frame('[]'));
        await closed(socket, 'sends no request after something deep');
        expect((await other.request('list', {})).jobs.length).toBe(1);
      }
    });
  });

  it('loses whoever promises too much, sends nonsense or stops in the middle, and nobody else', async () => {
    const wrongs = {
      'promises too much': `Content-Length: ${serviceLimits.requestBytesMax + 1}\r\n\r\n`,
      'never ends a header': 'x'.repeat(100_000),
      'sends no JSON': 'Content-Length: 12\r\n\r\nnot any json',
      'sends no request': 'Content-Length: 2\r\n\r\n[]',
      'stops in the middle': 'Content-Length: 100\r\n\r\n{"jsonrpc"',
    };
    await withJob(async (service, other) => {
      const all: Promise<void>[] = [];
      for (const [why, text] of Object.entries(wrongs)) {
        for (let count = 0; count < 10; count += 1) {
          const socket = await service.raw();
          all.push(closed(socket, why));
          socket.resume();
          socket.write(text);
        }
        expect((await other.request('list', {})).jobs.length).toBe(1);
      }
      await Promise.all(all);
    });
  });

  it(`answers others beside ${connectionCount} connections of one user, and keeps few of them`, async () => {
    await withJob(async (service, other) => {
      const before = openFiles(service.processId);
      const flood = service.flood(connectionCount, nobody);
      let longestMs = 0;
      await waitUntil('all have been made', async () => {
        const startMs = performance.now();
        const client = await service.client();
        expect((await client.request('list', {})).jobs.length).toBe(1);
        client.close();
        longestMs = Math.max(longestMs, performance.now() - startMs);
        return flood.said.stdout.includes('ready');
      });
      console.log(
        `the longest that another user waited to connect and be answered: ${longestMs.toFixed(0)} ms`,
      );
      expect(openFiles(service.processId)).toBeLessThan(before + serviceLimits.connectionsPerUserMax + 8);
      expect((await other.request('list', {})).jobs.length).toBe(1);
      flood.kill();
      await waitUntil('all are gone', () => openFiles(service.processId) <= before);
    });
  });

  it('does not hold the answers that a client never reads', async () => {
    await withJob(async (service, other) => {
      const kibBefore = residentKib(service.processId);
      for (const method of ['list', 'no-such-request']) {
        const socket = await service.raw();
        socket.pause();
        const ended = closed(socket, 'reads nothing');
        // Many more than the kernel's buffers take besides.
        const requests = call(method).repeat(100);
        while (!socket.destroyed) if (!socket.write(requests)) await drainOrClose(socket);
        await ended;
        // The other is the same user here: what the lost one had asked for counts until it is done.
        const list = (): Promise<number> =>
          other.request('list', {}).then(
            ({ jobs }) => jobs.length,
            () => 0,
          );
        await waitUntil('another client is answered', async () => (await list()) === 1);
      }
      expect(residentKib(service.processId) - kibBefore).toBeLessThan(150 * 1024);
    });
  });
});
