/**
 * A raw device moves by `attach` while consumers use the virtual device: fio with checksums, and writers
 * whose every byte is known. What they were told is written must be on the bare destination afterwards, byte
 * for byte.
 */
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import type { FioJob } from './support/fio.ts';
import { runFio } from './support/fio.ts';
import { countersOf, fillWithRandom, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { Migration } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame, SectorWriter } from './support/sector-writer.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

const diskBytes = 320 * mebibyte;
const trimmed = { offset: 192 * mebibyte, length: 32 * mebibyte };
/** From here on nobody writes. */
const untouched = { offset: 224 * mebibyte, length: 96 * mebibyte };

/** Ranges apart from each other. Every round covers them whole, with other data. */
function checkedJobs(round: number): FioJob[] {
  const jobs = [
    {
      name: 'write-any',
      options: { rw: 'randwrite', bsrange: '512-1m', fsync: 16, offset: '0', size: '48m' },
    },
    { name: 'mix-any', options: { rw: 'randrw', bsrange: '512-1m', fsync: 8, offset: '48m', size: '48m' } },
    {
      name: 'write-small',
      options: { rw: 'randwrite', bsrange: '512-12k', fsync: 64, offset: '128m', size: '16m' },
    },
    { name: 'mix-sectors', options: { rw: 'randrw', bs: '512', offset: '160m', size: '1m' } },
  ];
  return jobs.map(({ name, options }) => ({
    name,
    options: { ...options, blockalign: 512, verify: 'crc32c', randseed: round },
  }));
}

const trimJob: FioJob = {
  name: 'trim',
  options: { rw: 'randtrim', bsrange: '4k-1m', offset: trimmed.offset, size: trimmed.length },
};

/**
 * Has fio read back while it still writes. With mixed reads it would later expect other headers (fio 3.33).
 */
function withBacklog({ name, options }: FioJob): FioJob {
  return options['rw'] === 'randwrite'
    ? { name, options: { ...options, verify_backlog: 64 } }
    : { name, options };
}

describe.skipIf(!isRoot)('migrate of a device that is in use (needs root)', () => {
  it.each(['gentle', 'full'])('keeps all that fio writes during the copy, at the speed %s', async (speed) => {
    const scratch = scratchOf();
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes: diskBytes, content: 'random' });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: diskBytes });
    fillWithRandom(destination.path, trimmed.offset, trimmed.length);

    const disks = { source: source.path, destination: destination.path };
    const migration = Migration.start(scratch, disks, '--speed', speed, '--hold');
    const device = await migration.pausedDevice();
    const runRound = (round: number): Promise<unknown> =>
      runFio(scratch, device, [...checkedJobs(round).map(withBacklog), trimJob]);
    let round = 1;
    const firstRound = runRound(round);
    await waitUntil('fio writes', () => countersOf(device).writtenBytes > mebibyte);
    expect((await migration.ask('resume')).state).toBe('copying');
    await firstRound;
    while (migration.eventsNamed('synchronized').length === 0) {
      round += 1;
      await runRound(round);
    }

    await runFio(scratch, device, checkedJobs(round), '--verify_only');
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    await runFio(scratch, destination.path, checkedJobs(round), '--verify_only');
    expect(readPart(destination.path, trimmed.offset, trimmed.length).every((byte) => byte === 0)).toBe(true);
    const [moved, original] = [destination, source].map(({ path }) =>
      readPart(path, untouched.offset, untouched.length),
    );
    expectSame(moved ?? Buffer.of(), original ?? Buffer.of(), untouched.offset);
  });

  it.each([512, 4096])(
    'keeps every sector of %i bytes that several writers change in the same blocks',
    async (sectorBytes) => {
      const scratch = scratchOf();
      const options = { sizeBytes: 48 * mebibyte, blockBytes: sectorBytes };
      const source = await makeLoopDisk(scratch, 'source', { ...options, content: 'random' });
      const destination = await makeLoopDisk(scratch, 'destination', { ...options, content: 'random' });
      const expected = readPart(source.path, 0, source.sizeBytes);

      const migration = Migration.start(
        scratch,
        { source: source.path, destination: destination.path },
        '--speed',
        'gentle',
        '--hold',
      );
      const device = await migration.pausedDevice();
      const writer = await SectorWriter.open(scratch, device, { seed: sectorBytes, expected, sectorBytes });
      await writer.run(300);
      await migration.ask('resume');
      await writer.runWhile(() => migration.eventsNamed('synchronized').length === 0);
      await writer.run(100);
      await writer.close();
      expectSame(readPart(device, 0, source.sizeBytes), expected);
      await migration.ask('cutover');
      expect(await migration.end()).toMatchObject({ exitCode: 0 });
      expectSame(readPart(destination.path, 0, source.sizeBytes), expected);
    },
  );
});
