/**
 * Verifying: what has changed on the destination behind our back is found, and mended from the source; what
 * consumers write meanwhile is neither taken for a fault nor harmed. Images over the NBD socket, which needs
 * neither root nor a kernel module.
 */
import { describe, expect, it } from 'vitest';
import { present } from '../../app/base/error.ts';
import { blockBytes, mebibyte } from '../../app/base/units.ts';
import type { JobEventOf } from '../../app/contract/events.ts';
import { readDirect, writeDirect } from './support/direct-io.ts';
import { makeImage, readPart } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import { run } from './support/nbd-fixture.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame } from './support/sector-writer.ts';
import { waitUntil } from './support/wait.ts';

const scratchOf = useScratch();
const sizeBytes = 24 * mebibyte + blockBytes;
/** Where the busy consumer writes. */
const busyBytes = 16 * mebibyte;

interface HeldJob {
  readonly migration: Migration;
  readonly source: string;
  readonly destination: string;
  readonly original: Buffer;
}

function startHeld(...parameters: string[]): HeldJob {
  const scratch = scratchOf();
  const [source, destination] = [scratch.path('source.img'), scratch.path('destination.img')];
  makeImage(source, sizeBytes, 'random');
  makeImage(destination, sizeBytes);
  const how = ['--frontend', 'nbd-socket', '--socket', scratch.path('nbd.sock'), '--hold'];
  const migration = Migration.start(scratch, { source, destination }, ...how, ...parameters);
  return { migration, source, destination, original: readPart(source, 0, sizeBytes) };
}

/** One bit of that byte. */
function flip(path: string, offsetBytes: number): void {
  const start = Math.floor(offsetBytes / blockBytes) * blockBytes;
  const block = readDirect(path, start, blockBytes);
  block.writeUInt8(block.readUInt8(offsetBytes - start) ^ 1, offsetBytes - start);
  writeDirect(path, start, block);
}

/** The last of so many verifications, once the job waits again. */
async function verifiedTimes(migration: Migration, times: number): Promise<JobEventOf<'verified'>> {
  await waitUntil(`verification ${times} has ended`, () => migration.eventsNamed('verified').length === times);
  await waitUntil('the job waits again', async () => (await migration.ask('status')).state === 'synchronized');
  return present(migration.eventsNamed('verified').at(-1), 'the last verification');
}

describe('verifying', () => {
  it.each([
    ['with the hashes that were taken while copying', ['--verify'], 1],
    ['with the source', [], 0],
  ] as const)('finds what has changed on the destination, %s, and repairs it', async (_, given, before) => {
    const { migration, source, destination, original } = startHeld(...given);
    await migration.event('synchronized');
    if (before > 0) await verifiedTimes(migration, before);
    for (const at of [5 * mebibyte + 17, 5 * mebibyte + 3 * blockBytes, sizeBytes - 1]) flip(destination, at);
    await migration.ask('verify');
    expect(await verifiedTimes(migration, before + 1)).toMatchObject({
      checkedBytes: sizeBytes,
      repairedBytes: 3 * blockBytes,
      writtenBytes: 0,
    });
    const { message } = await migration.event('warning', ({ code }) => code === 'destination-repaired');
    expect(message).toContain(`${destination}: ${3 * blockBytes} bytes`);
    expect(message).toContain(`${blockBytes} at ${5 * mebibyte}`);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(migration.events.at(-1)).toMatchObject({ event: 'finished', verified: true });
    expectSame(readPart(destination, 0, sizeBytes), original);
    expectSame(readPart(source, 0, sizeBytes), original);
  });

  it('takes nothing that a busy consumer writes for a fault, and harms none of it', async () => {
    const { migration, destination, original } = startHeld('--verify', '--speed', 'full');
    const uri = await migration.device();
    let hasEnded = false;
    const fio = run(
      'fio',
      ...['--name=beside', '--ioengine=nbd', `--uri=${uri}`, `--size=${busyBytes}`, '--iodepth=16'],
      ...['--rw=randrw', '--bsrange=512-64k', '--blockalign=512', '--verify=crc32c', '--verify_fatal=1'],
      ...['--verify_state_save=0', '--loops=2', '--fsync=32'],
    ).finally(() => (hasEnded = true));
    const isBusy = (): boolean => !hasEnded;
    for (let times = 1; ; times += 1) {
      expect(await verifiedTimes(migration, times)).toMatchObject({ repairedBytes: 0 });
      if (!isBusy()) break;
      await migration.ask('verify');
    }
    await fio;
    expect(migration.eventsNamed('progress').some(({ redirectedBytes }) => redirectedBytes > 0)).toBe(true);
    expect(migration.surprises).toEqual([]);
    await waitUntil('the job waits', async () => (await migration.ask('status')).state === 'synchronized');
    const seen = scratchOf().path('seen.img');
    await run('nbdcopy', uri, seen);
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination, 0, sizeBytes), readPart(seen, 0, sizeBytes));
    const quiet = sizeBytes - busyBytes;
    expectSame(readPart(destination, busyBytes, quiet), original.subarray(busyBytes), busyBytes);
  });

  it('says what it could not compare: what consumers have written', async () => {
    const { migration, destination } = startHeld('--verify');
    await verifiedTimes(migration, 1);
    await run('qemu-io', '-f', 'raw', '-c', `write -P 7 0 ${2 * blockBytes}`, await migration.device());
    flip(destination, 100);
    const { stdout } = await runCli(
      ...['verify', await migration.job(), '--state-dir', scratchOf().stateDirectory, '--json'],
    );
    expect(JSON.parse(stdout)).toMatchObject({ event: 'status', state: 'verifying' });
    expect(await verifiedTimes(migration, 2)).toMatchObject({
      checkedBytes: sizeBytes - 2 * blockBytes,
      repairedBytes: 0,
      writtenBytes: 2 * blockBytes,
    });
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
  });

  it('repairs nothing from a source that is not any more what was copied, and asks', async () => {
    const { migration, source, destination, original } = startHeld('--verify');
    await verifiedTimes(migration, 1);
    flip(destination, 3 * mebibyte);
    flip(source, 3 * mebibyte + 1);
    await migration.ask('verify');
    const { message, choices } = await migration.event('decision');
    expect(message).toContain(`${blockBytes} at ${3 * mebibyte}`);
    expect(choices.map(({ choice }) => choice)).toEqual(['retry', 'undo']);
    await expect(migration.ask('cutover')).rejects.toMatchObject({ code: 'decision-needed' });
    flip(source, 3 * mebibyte + 1);
    await migration.ask('resume');
    expect(await verifiedTimes(migration, 2)).toMatchObject({ repairedBytes: blockBytes });
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination, 0, sizeBytes), original);
  });

  it('is given up for an undo', async () => {
    const { migration, source, original } = startHeld();
    await migration.event('synchronized');
    await Promise.all([migration.ask('verify'), migration.ask('undo')]);
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expectSame(readPart(source, 0, sizeBytes), original);
  });
});
