/**
 * The NBD frontend and clients that mean harm or break down: garbage, lies about lengths, connections cut at
 * any byte, clients that never read or never finish. The server goes on, others are served, and the disks
 * stay as they were. Needs no root. Random input comes from a seed that a failure names.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NbdServer, run } from './support/nbd-fixture.ts';
import {
  RawNbdClient,
  commandType,
  encodeOption,
  encodeRequest,
  handshake,
} from './support/raw-nbd-client.ts';

const mebibyte = 2 ** 20;
const sizeBytes = 32 * mebibyte;
const connectionsMax = 16;

async function hashOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** A client with good manners gets what it asks for. */
async function expectService(server: NbdServer): Promise<void> {
  const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
  client.send(encodeRequest({ type: commandType.read, offset: 4096, length: 4096 }));
  const { data } = await client.simpleReply(4096);
  expect(data.equals((await readFile(server.sourcePath)).subarray(4096, 8192))).toBe(true);
  client.send(encodeRequest({ type: commandType.disconnect }));
  await client.ended();
}

describe('clients that do not speak the protocol', () => {
  let server: NbdServer;
  let hashesBefore: string[];

  const hashes = (): Promise<string[]> =>
    Promise.all([server.sourcePath, server.destinationPath].map(hashOf));

  beforeAll(async () => {
    server = await NbdServer.start({ sizeBytes, logicalBlockBytes: 512 });
    hashesBefore = await hashes();
  });

  afterAll(async () => {
    expect(await hashes()).toEqual(hashesBefore);
    await server.stop();
  });

  it('may say anything instead of a handshake', async () => {
    const flags = fc.constantFrom(Buffer.from([0, 0, 0, 3]), Buffer.alloc(0));
    const garbage = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    const options = fc
      .tuple(fc.integer({ min: 2, max: 12 }), garbage)
      .map(([type, data]) => encodeOption(type, data));
    const talk = fc
      .tuple(flags, fc.array(fc.oneof(garbage, options)))
      .map(([start, rest]) => Buffer.concat([start, ...rest]));
    await fc.assert(
      fc.asyncProperty(talk, async (bytes) => {
        const client = await RawNbdClient.connect(server.socketPath);
        client.send(bytes);
        client.endOutput();
        await client.drained();
      }),
      { numRuns: 200 },
    );
    await expectService(server);
  });

  it('may lie about the length of an option', async () => {
    const client = await RawNbdClient.connect(server.socketPath);
    client.send(Buffer.from([0, 0, 0, 3]), encodeOption(7).fill(0xff, 12));
    await client.drained();
    await expectService(server);
  });

  it('may send requests with a wrong magic, which ends the connection', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    client.send(
      encodeRequest({ type: commandType.write, length: 4096, magic: 0x25609512 }),
      Buffer.alloc(4096),
    );
    await client.ended();
    await expectService(server);
  });

  it('may ask for anything outside of the device', async () => {
    const request = fc.record({
      type: fc.oneof(fc.constantFrom(0, 1, 3, 4, 6), fc.integer({ min: 7, max: 65535 })),
      flags: fc.integer({ min: 0, max: 65535 }),
      cookie: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      offset: fc.bigInt({ min: BigInt(sizeBytes), max: 2n ** 64n - 1n }),
      length: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(request, { maxLength: 20 }), async (structured, requests) => {
        const client = await RawNbdClient.transmitting(server.socketPath, { structured });
        client.send(...requests.map(encodeRequest), randomBytes(10_000));
        client.endOutput();
        await client.drained();
      }),
      { numRuns: 200 },
    );
    await expectService(server);
  });

  it('may be cut off at any byte', async () => {
    const reads = [1n, 2n].map((cookie) =>
      encodeRequest({ type: commandType.read, cookie, length: 2 * mebibyte }),
    );
    const write = [encodeRequest({ type: commandType.write, length: 200_000 }), Buffer.alloc(200_000, 0xbb)];
    for (const structured of [true, false]) {
      const talk = Buffer.concat([handshake({ structured }), ...reads, ...write]);
      // Every byte of what has a structure, some of the data, and never all of it.
      const places = [
        ...Array(talk.length - 200_000 + 2).keys(),
        talk.length - 150_000,
        talk.length - 50_000,
        talk.length - 1,
      ];
      for (const place of places) {
        const client = await RawNbdClient.connect(server.socketPath);
        client.send(talk.subarray(0, place));
        if (place % 3 === 0) await client.receive(18);
        client.cut();
      }
    }
    await expectService(server);
  });
});

describe('clients that are in the way', () => {
  let server: NbdServer;
  const others: RawNbdClient[] = [];

  beforeAll(async () => {
    server = await NbdServer.start({ sizeBytes, logicalBlockBytes: 512 });
  });

  afterAll(() => server.stop());

  async function fillUp(talk: Buffer[]): Promise<void> {
    while (others.length < connectionsMax - 1) {
      const client = await RawNbdClient.transmitting(server.socketPath, {
        structured: others.length % 2 === 0,
      });
      client.send(...talk);
      others.push(client);
    }
  }

  function cutAll(): void {
    for (const client of others.splice(0)) client.cut();
  }

  it('do not stop others when they ask for much and never read', async () => {
    await fillUp(
      Array.from({ length: 100 }, () => encodeRequest({ type: commandType.read, length: 4 * mebibyte })),
    );
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', server.sourcePath, server.uri);
    cutAll();
    await expectService(server);
  });

  it('do not stop others when they begin to write and never finish', async () => {
    // What has arrived of a long write may be written: nobody was told that it was.
    const write = encodeRequest({ type: commandType.write, offset: 16 * mebibyte, length: 16 * mebibyte });
    await fillUp([write, Buffer.alloc(3 * mebibyte - 7)]);
    await run('nbdcopy', '--connections=1', server.uri, server.file('copy.img'));
    cutAll();
    await expectService(server);
  });

  it('make a client too many wait until one of them leaves', async () => {
    await fillUp([]);
    const last = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    const tooMany = await RawNbdClient.connect(server.socketPath);
    const greeting = tooMany.receive(18);
    expect(await Promise.race([greeting, sleep(300, 'nothing')])).toBe('nothing');
    last.cut();
    expect((await greeting).toString('latin1', 0, 16)).toBe('NBDMAGICIHAVEOPT');
    tooMany.cut();
    cutAll();
    await expectService(server);
  });

  it('lose their place when they never negotiate', async () => {
    const silent = await RawNbdClient.connect(server.socketPath);
    await silent.receive(18);
    await silent.ended();
    await expectService(server);
  });

  it('come and go in any state while another one finds all that it wrote', async () => {
    let isDone = false;
    const consume = async (): Promise<void> => {
      const what = ['--name=verify', '--ioengine=nbd', `--uri=${server.uri}`, `--size=${sizeBytes}`];
      const how = [
        '--rw=randrw',
        '--bsrange=512-256k',
        '--blockalign=512',
        '--iodepth=16',
        '--verify=crc32c',
        '--verify_state_save=0',
      ];
      for (const seed of [1, 2, 3, 4])
        await run('fio', ...what, ...how, `--randseed=${seed}`, '--verify_fatal=1');
    };
    const comeAndGo = async (): Promise<void> => {
      const lengths = Array.from({ length: 10 }, (_, index) => index * mebibyte + 512);
      for (let round = 0; !isDone; round += 1) {
        const client = await RawNbdClient.transmitting(server.socketPath, { structured: round % 2 === 0 });
        client.send(...lengths.map((length) => encodeRequest({ type: commandType.read, length })));
        await client.receive((round * 1000) % 100_000);
        client.cut();
      }
    };
    await Promise.all([consume().finally(() => (isDone = true)), comeAndGo()]);
  });
});

describe('clients that do not want to go', () => {
  it('are cut off when the device is taken away', async () => {
    const server = await NbdServer.start({ sizeBytes, logicalBlockBytes: 512 });
    const greedy = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    greedy.send(
      ...Array.from({ length: 50 }, () => encodeRequest({ type: commandType.read, length: 4 * mebibyte })),
    );
    const unfinished = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    unfinished.send(encodeRequest({ type: commandType.write, length: 4 * mebibyte }), Buffer.alloc(mebibyte));
    await expectService(server);
    server.close();
    expect(await server.ended()).toBe(0);
    greedy.cut();
    unfinished.cut();
    await server.stop();
  });
});
