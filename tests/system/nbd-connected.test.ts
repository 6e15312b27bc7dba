/**
 * The NBD frontend on sockets that are connected already and have nothing to negotiate, as the kernel's own
 * client has them; here the other ends are ours, so that no kernel with nbd is needed.
 */
import { closeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { kibibyte, mebibyte } from '../../app/base/units.ts';
import { Engine } from '../../app/engine/engine.ts';
import { addon } from '../../native/binding.ts';
import { makeImage, readPart } from './support/loop-disk.ts';
import { RawNbdClient, commandType, encodeRequest } from './support/raw-nbd-client.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = mebibyte;

interface Served {
  readonly engine: Engine;
  readonly clients: readonly RawNbdClient[];
  /** Our ends. */
  readonly socketFds: readonly number[];
  readonly sourcePath: string;
}

/** Over two images; the source is full of random bytes. */
async function serve(connectionCount: number): Promise<Served> {
  const scratch = scratchOf();
  const [sourcePath, destinationPath] = [scratch.path('source'), scratch.path('destination')];
  makeImage(sourcePath, sizeBytes, 'random');
  makeImage(destinationPath, sizeBytes);
  const [source, destination] = [await open(sourcePath, 'r'), await open(destinationPath, 'r+')];
  const pairs = Array.from({ length: connectionCount }, () => addon().socketPair());
  const socketFds = pairs.map(([ours]) => ours);
  const engine = await Engine.start({
    names: { source: sourcePath, destination: destinationPath },
    geometry: { sizeBytes, logicalBlockBytes: 512, physicalBlockBytes: 512 },
    sourceFd: source.fd,
    destinationFd: destination.fd,
    speed: 'balanced',
    frontend: { kind: 'nbd', socketFds },
  });
  scratch.onRelease('the engine', async () => {
    await engine.stop();
    for (const fd of socketFds) closeSync(fd);
    await Promise.all([source.close(), destination.close()]);
  });
  const clients = pairs.map(([, theirs]) => RawNbdClient.over(theirs));
  for (const client of clients) scratch.onRelease('a client', () => client.cut());
  return { engine, clients, socketFds, sourcePath };
}

describe.skipIf(!isRoot)('the NBD frontend on connected sockets (needs root)', () => {
  const place = { offset: 64 * kibibyte, length: 4096 };

  it('answers the first command, and shows on one what was written on another', async () => {
    const { clients, sourcePath } = await serve(2);
    const [one, other] = clients as [RawNbdClient, RawNbdClient];
    one.send(encodeRequest({ type: commandType.read, ...place }));
    expect((await one.simpleReply(place.length)).data).toEqual(
      readPart(sourcePath, place.offset, place.length),
    );
    const written = Buffer.alloc(place.length, 5);
    other.send(encodeRequest({ type: commandType.write, ...place }), written);
    expect((await other.simpleReply()).error).toBe(0);
    one.send(encodeRequest({ type: commandType.flush }));
    expect((await one.simpleReply()).error).toBe(0);
    one.send(encodeRequest({ type: commandType.read, ...place }));
    expect((await one.simpleReply(place.length)).data).toEqual(written);
  });

  it('counts no clients, and is closed when the last has said goodbye', async () => {
    const { engine, clients } = await serve(2);
    expect(engine.progress.clientCount).toBe(0);
    for (const client of clients) client.send(encodeRequest({ type: commandType.disconnect }));
    await Promise.all(clients.map((client) => client.ended()));
    await engine.closeFrontend();
  });

  it('lets clients go that have not said goodbye, and leaves the descriptors to their owner', async () => {
    const { engine, clients } = await serve(1);
    await engine.closeFrontend();
    await clients[0]?.ended();
  });

  it('ends a connection on which garbage came', async () => {
    const { clients } = await serve(2);
    const [one, other] = clients as [RawNbdClient, RawNbdClient];
    one.send(encodeRequest({ type: commandType.read, ...place, magic: 1 }));
    await one.ended();
    other.send(encodeRequest({ type: commandType.flush }));
    expect((await other.simpleReply()).error).toBe(0);
  });
});
