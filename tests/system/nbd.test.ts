/**
 * A device moves by `attach` over the NBD socket, with the real command line and engine: clients write and
 * verify during the copy while others misbehave, and the destination is in the end what the last client saw.
 */
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { makeLoopDisk, readPart } from './support/loop-disk.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { run } from './support/nbd-fixture.ts';
import { RawNbdClient, commandType, encodeRequest } from './support/raw-nbd-client.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 160 * mebibyte;
/** From here on nobody writes. */
const writtenBytes = 64 * mebibyte;

interface Move {
  readonly migration: Migration;
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly socketPath: string;
  readonly uri: string;
}

async function startMove(blockBytes = 512): Promise<Move> {
  const scratch = scratchOf();
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes, blockBytes, content: 'random' });
  const destination = await makeLoopDisk(scratch, 'destination', {
    sizeBytes,
    blockBytes,
    content: 'random',
  });
  const socketPath = scratch.path('nbd.sock');
  const disks = { source: source.path, destination: destination.path };
  const how = ['--frontend', 'nbd-socket', '--socket', socketPath, '--speed', 'gentle', '--hold'];
  const migration = Migration.start(scratch, disks, ...how);
  return { migration, source, destination, socketPath, uri: await migration.device() };
}

/** What every client finds now. */
async function snapshot(uri: string): Promise<Buffer> {
  const file = scratchOf().path('snapshot.img');
  await run('nbdcopy', uri, file);
  return readPart(file, 0, sizeBytes);
}

async function writeAndVerify(uri: string, seed: number): Promise<void> {
  const what = [
    '--name=verify',
    '--ioengine=nbd',
    `--uri=${uri}`,
    `--size=${writtenBytes}`,
    '--verify_fatal=1',
  ];
  const how = [
    '--rw=randrw',
    '--bsrange=512-1m',
    '--blockalign=512',
    '--iodepth=32',
    '--verify=crc32c',
    '--verify_state_save=0',
    '--fsync=32',
  ];
  await run('fio', ...what, ...how, `--randseed=${seed}`);
}

/** One bad client after the other: garbage, requests without mercy, cut off in the middle of anything. */
async function misbehave(socketPath: string, goesOn: () => boolean): Promise<void> {
  for (let round = 0; goesOn(); round += 1) {
    const client = await RawNbdClient.transmitting(socketPath, { structured: round % 2 === 0 });
    const offset = writtenBytes + ((round * 4096) % mebibyte);
    client.send(encodeRequest({ type: commandType.read, offset, length: 8 * mebibyte }));
    client.send(
      encodeRequest({ type: commandType.write, offset: sizeBytes - 512, length: mebibyte }),
      Buffer.alloc(mebibyte),
    );
    client.send(
      encodeRequest({ type: commandType.write, offset, length: mebibyte }),
      Buffer.alloc(round % mebibyte),
    );
    if (round % 3 === 0) await client.receive(1000);
    if (round % 3 === 1) client.send(Buffer.alloc(100, round));
    client.cut();
  }
}

describe.skipIf(!isRoot)('migrate over the NBD socket (needs root)', () => {
  it('keeps all that a client writes during the copy, whatever other clients do', async () => {
    const { migration, source, destination, socketPath, uri } = await startMove();
    await migration.ask('pause');
    await writeAndVerify(uri, 1);
    await migration.ask('resume');
    const isCopying = (): boolean => migration.eventsNamed('synchronized').length === 0;
    let isDone = false;
    const consume = async (): Promise<void> => {
      for (let seed = 2; seed === 2 || isCopying(); seed += 1) await writeAndVerify(uri, seed);
    };
    await Promise.all([consume().finally(() => (isDone = true)), misbehave(socketPath, () => !isDone)]);

    const expected = await snapshot(uri);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination.path, 0, sizeBytes), expected);
    const untouched = [source, destination].map(({ path }) =>
      readPart(path, writtenBytes + 4 * mebibyte, 90 * mebibyte),
    );
    expectSame(untouched[1] ?? Buffer.of(), untouched[0] ?? Buffer.of());
  });

  it('cuts over when the last client has gone', async () => {
    const { migration, destination, socketPath, uri } = await startMove();
    const client = await RawNbdClient.transmitting(socketPath, { structured: false });
    await migration.event('synchronized');
    await migration.ask('cutover');
    await migration.event('warning', ({ code }) => code === 'volume-busy');
    const data = Buffer.alloc(4096, 0xd1);
    client.send(encodeRequest({ type: commandType.write, offset: 8192, length: data.length }), data);
    expect(await client.simpleReply()).toMatchObject({ error: 0 });
    const expected = await snapshot(uri);
    client.send(encodeRequest({ type: commandType.disconnect }));
    await client.ended();
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination.path, 0, sizeBytes), expected);
  });

  it('tells clients the block size of the source', async () => {
    const { migration, destination, uri } = await startMove(4096);
    expect(await run('nbdinfo', uri)).toContain('block_size_minimum: 4096');
    await run('qemu-io', '-f', 'raw', '-c', 'write -P 0x77 512 1k', '-c', 'flush', uri);
    await migration.event('synchronized');
    const expected = await snapshot(uri);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination.path, 0, sizeBytes), expected);
    expect(expected.subarray(512, 1536).every((byte) => byte === 0x77)).toBe(true);
  });
});
