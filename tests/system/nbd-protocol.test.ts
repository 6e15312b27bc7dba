/**
 * The NBD frontend with the real ring and router on image files: clients that nobody here wrote use it
 * unmodified, and a raw client checks what they leave out. Needs no root.
 */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NbdServer, run } from './support/nbd-fixture.ts';
import { RawNbdClient, commandType, encodeRequest } from './support/raw-nbd-client.ts';

const mebibyte = 2 ** 20;
const sizeBytes = 64 * mebibyte;
const flag = { fua: 1, dontFragment: 4 };
const nbdError = { io: 5, invalid: 22, noSpace: 28, overflow: 75, shutdown: 108 };
const chunkType = { offsetData: 1, error: 0x8001, errorOffset: 0x8002 };

describe('clients that nobody here wrote', () => {
  let server: NbdServer;

  beforeAll(async () => {
    server = await NbdServer.start({ sizeBytes, logicalBlockBytes: 512 });
  });
  afterAll(() => server.stop());

  it('nbdinfo sees size, block sizes and abilities', async () => {
    const report = JSON.parse(await run('nbdinfo', '--json', server.uri)) as {
      exports: Record<string, unknown>[];
    };
    expect(report).toMatchObject({ protocol: 'newstyle-fixed', structured: true });
    expect(report.exports).toHaveLength(1);
    expect(report.exports[0]).toMatchObject({
      'export-name': '',
      'export-size': sizeBytes,
      can_flush: true,
      can_fua: true,
      can_trim: true,
      can_zero: true,
      can_df: true,
      can_multi_conn: true,
      is_read_only: false,
      block_size_minimum: 512,
      block_size_preferred: 4096,
      block_size_maximum: 32 * mebibyte,
    });
  });

  it('nbdinfo lists the one export', async () => {
    expect(await run('nbdinfo', '--list', server.uri)).toContain('export=""');
  });

  it('nbdcopy reads everything, over several connections', async () => {
    await run('nbdcopy', '--connections=4', '--requests=32', server.uri, server.file('copy.img'));
    expect((await readFile(server.file('copy.img'))).equals(await readFile(server.sourcePath))).toBe(true);
  });

  it('qemu-img compare finds the virtual device equal to the source', async () => {
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', server.sourcePath, server.uri);
  });

  it('nbdcopy writes everything, with requests as long as they may be', async () => {
    await writeFile(server.file('new.img'), randomBytes(sizeBytes));
    await run('nbdcopy', '--flush', '--request-size=33554432', server.file('new.img'), server.uri);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', server.file('new.img'), server.uri);
    expect((await readFile(server.file('new.img'))).equals(await readFile(server.destinationPath))).toBe(
      true,
    );
  });

  it('qemu-img convert reads and writes', async () => {
    await run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', server.uri, server.file('copy.qcow2'));
    await run('qemu-img', 'convert', '-n', '-W', '-f', 'raw', '-O', 'raw', server.sourcePath, server.uri);
    await run('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', server.sourcePath, server.uri);
    await run(
      'qemu-img',
      'compare',
      '-f',
      'qcow2',
      '-F',
      'raw',
      server.file('copy.qcow2'),
      server.file('new.img'),
    );
  });

  it('qemu-io writes, zeroes, discards and flushes', async () => {
    const commands = [
      'write -P 0xa1 0 1M',
      'write -f -P 0xa2 4608 512',
      'write -z 8k 64k',
      'write -z -u -f 1049088 3M',
      'write -P 0xa3 40M 20M',
      'flush',
      'discard 41M 2M',
      'read -P 0xa1 0 4608',
      'read -P 0xa2 4608 512',
      'read -P 0xa1 5120 3072',
      'read -P 0 8k 64k',
      'read -P 0 1049088 3M',
      'read -P 0xa3 40M 1M',
      'read -P 0xa3 43M 17M',
    ];
    const output = await run(
      'qemu-io',
      '-f',
      'raw',
      ...commands.flatMap((command) => ['-c', command]),
      server.uri,
    );
    expect(output).not.toMatch(/verification failed|error/i);
  });

  it('fio finds what it wrote: any block size, depth 32, with flushes and trims', async () => {
    const shared = [
      '--ioengine=nbd',
      `--uri=${server.uri}`,
      `--size=${sizeBytes}`,
      '--iodepth=32',
      '--randseed=1',
    ];
    const sizes = ['--bsrange=512-1m', '--blockalign=512', '--fsync=50'];
    await run('fio', '--name=trim', '--rw=randtrim', '--bs=64k', '--io_size=8m', ...shared);
    await run(
      'fio',
      '--name=verify',
      '--rw=randrw',
      '--verify=crc32c',
      '--verify_state_save=0',
      '--verify_fatal=1',
      '--do_verify=1',
      ...sizes,
      ...shared,
    );
  });
});

describe('a raw client', () => {
  let server: NbdServer;

  beforeAll(async () => {
    server = await NbdServer.start({
      sizeBytes,
      logicalBlockBytes: 512,
      unreadable: { offsetBytes: 50 * mebibyte, lengthBytes: 512 },
    });
  });
  afterAll(() => server.stop());

  const modes = [{ structured: true }, { structured: false }];

  async function readBack(
    client: RawNbdClient,
    structured: boolean,
    offset: number,
    length: number,
  ): Promise<Buffer> {
    client.send(encodeRequest({ type: commandType.read, offset, length }));
    if (!structured) return (await client.simpleReply(length)).data;
    const data = Buffer.alloc(length);
    for (const { type, payload } of await client.chunks()) {
      expect(type).toBe(chunkType.offsetData);
      payload.copy(data, Number(payload.readBigUInt64BE(0)) - offset, 8);
    }
    return data;
  }

  it.each(modes)('reads and writes 32 MiB in one request (%o)', async ({ structured }) => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured });
    const data = randomBytes(32 * mebibyte);
    client.send(encodeRequest({ type: commandType.write, offset: 512, length: data.length }), data);
    expect(await client.simpleReply()).toMatchObject({ cookie: 1n, error: 0 });
    expect((await readBack(client, structured, 512, data.length)).equals(data)).toBe(true);
    client.cut();
  });

  it.each(modes)('gets every answer to a queue of long and short requests (%o)', async ({ structured }) => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured });
    const source = await readBack(client, structured, 0, 32 * mebibyte);
    const lengths = Array.from({ length: 40 }, (_, index) =>
      index % 3 === 0 ? 3 * mebibyte : 4096 * (index + 1),
    );
    client.send(
      ...lengths.map((length, index) =>
        encodeRequest({ type: commandType.read, cookie: BigInt(index), offset: index * 512, length }),
      ),
    );
    const parts = new Map<number, Buffer>();
    while (parts.size < lengths.length) {
      if (structured) {
        // Chunks of different replies may come mixed.
        const { cookie, payload, isLast } = await client.chunk();
        const at = Number(payload.readBigUInt64BE(0));
        expect(payload.subarray(8).equals(source.subarray(at, at + payload.length - 8))).toBe(true);
        if (isLast) parts.set(Number(cookie), payload);
      } else {
        const header = await client.receive(16);
        const index = Number(header.readBigUInt64BE(8));
        const data = await client.receive(lengths[index] ?? 0);
        expect(data.equals(source.subarray(index * 512, index * 512 + data.length))).toBe(true);
        parts.set(index, data);
      }
    }
    client.cut();
  });

  it.each([
    ['an unknown command', { type: 9 }, nbdError.invalid],
    ['an unaligned read', { type: commandType.read, offset: 100, length: 512 }, nbdError.invalid],
    ['a read past the end', { type: commandType.read, offset: sizeBytes, length: 512 }, nbdError.invalid],
    ['a read of 4 GiB', { type: commandType.read, length: 0xfffffe00 }, nbdError.invalid],
    [
      'zeroes past the end',
      { type: commandType.writeZeroes, offset: sizeBytes - 512, length: 1024 },
      nbdError.noSpace,
    ],
    ['a flush with a length', { type: commandType.flush, length: 512 }, nbdError.invalid],
  ])('is refused %s, and goes on', async (_name, request, error) => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    client.send(encodeRequest({ ...request, cookie: 5n }));
    expect(await client.simpleReply()).toMatchObject({ cookie: 5n, error });
    expect(await readBack(client, false, 0, 512)).toHaveLength(512);
    client.cut();
  });

  it('is refused a read in a chunk when it uses structured replies', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    client.send(encodeRequest({ type: commandType.read, flags: flag.dontFragment, length: 2 * mebibyte }));
    const [chunk, ...others] = await client.chunks();
    expect(others).toEqual([]);
    expect(chunk?.type).toBe(chunkType.error);
    expect(chunk?.payload.readUInt32BE(0)).toBe(nbdError.overflow);
    client.send(
      encodeRequest({ type: commandType.read, flags: flag.dontFragment, offset: 512, length: mebibyte }),
    );
    expect(await client.chunks()).toHaveLength(1);
    client.cut();
  });

  it('has the data of a refused write dropped, and goes on', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    const before = await readBack(client, false, sizeBytes - 512, 512);
    const junk = Buffer.alloc(5 * mebibyte, encodeRequest({ type: commandType.write, length: 512 }));
    client.send(
      encodeRequest({ type: commandType.write, offset: sizeBytes - 512, length: junk.length }),
      junk,
    );
    expect(await client.simpleReply()).toMatchObject({ error: nbdError.noSpace });
    expect((await readBack(client, false, sizeBytes - 512, 512)).equals(before)).toBe(true);
    client.cut();
  });

  it('learns which part of a read has failed when it uses structured replies', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    client.send(encodeRequest({ type: commandType.read, offset: 48 * mebibyte, length: 4 * mebibyte }));
    const chunks = await client.chunks();
    expect(chunks.filter(({ type }) => type === chunkType.offsetData)).toHaveLength(3);
    const failure = chunks.find(({ type }) => type === chunkType.errorOffset);
    expect(failure?.payload.readUInt32BE(0)).toBe(nbdError.io);
    expect(failure?.payload.readBigUInt64BE(6)).toBe(BigInt(50 * mebibyte));
    client.cut();
  });

  it('gets no data of a read whose beginning has failed', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    client.send(encodeRequest({ type: commandType.read, offset: 50 * mebibyte, length: 4 * mebibyte }));
    expect(await client.simpleReply()).toMatchObject({ error: nbdError.io });
    expect(await readBack(client, false, 0, 512)).toHaveLength(512);
    client.cut();
  });

  it('is cut off when a read fails behind its beginning and simple replies leave no other way', async () => {
    const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    client.send(encodeRequest({ type: commandType.read, offset: 49 * mebibyte, length: 4 * mebibyte }));
    await expect(client.simpleReply(4 * mebibyte)).rejects.toThrow('closed the connection');
  });

  it('gets all answers before the connection ends, whether it says goodbye or only ends its side', async () => {
    for (const goodbye of [encodeRequest({ type: commandType.disconnect }), Buffer.alloc(0)]) {
      const client = await RawNbdClient.transmitting(server.socketPath, { structured: false });
      const reads = [2n, 3n, 4n].map((cookie) =>
        encodeRequest({ type: commandType.read, cookie, length: mebibyte }),
      );
      client.send(...reads, goodbye);
      client.endOutput();
      const answers = [
        await client.simpleReply(mebibyte),
        await client.simpleReply(mebibyte),
        await client.simpleReply(mebibyte),
      ];
      expect(answers.map(({ cookie }) => cookie).sort()).toEqual([2n, 3n, 4n]);
      await client.ended();
    }
  });
});

describe('taking the device away', () => {
  it('closes idle connections, answers what is under way, and refuses what comes after it', async () => {
    const server = await NbdServer.start({ sizeBytes: mebibyte, logicalBlockBytes: 512 });
    const idle = await RawNbdClient.transmitting(server.socketPath, { structured: true });
    const negotiating = await RawNbdClient.connect(server.socketPath);
    await negotiating.receive(18);
    const busy = await RawNbdClient.transmitting(server.socketPath, { structured: false });
    const data = randomBytes(8192);
    const write = encodeRequest({ type: commandType.write, length: data.length });
    busy.send(encodeRequest({ type: commandType.flush }), write, data.subarray(0, 100));
    // The flush's answer proves that the beginning of the write has arrived, the idle client's end that the
    // server is closing.
    await busy.simpleReply();
    server.close();
    await idle.ended();
    await negotiating.ended();
    busy.send(data.subarray(100), encodeRequest({ type: commandType.flush, cookie: 8n }));
    const errors = new Map<bigint, number>();
    for (let count = 0; count < 2; count += 1) {
      const { cookie, error } = await busy.simpleReply();
      errors.set(cookie, error);
    }
    expect(errors.get(1n)).toBe(0);
    expect(errors.get(8n)).toBe(nbdError.shutdown);
    await busy.ended();
    expect((await readFile(server.destinationPath)).subarray(0, data.length).equals(data)).toBe(true);
    expect(await server.ended()).toBe(0);
    await server.stop();
  });
});
