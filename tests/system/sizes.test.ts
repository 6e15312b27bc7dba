/**
 * Sizes that fall between blocks, block sizes, larger destinations, and a disk of 16 TiB. What lies behind
 * the source's end on a larger destination is nobody's business and stays as it is.
 */
import { describe, expect, it } from 'vitest';
import { mebibyte, sectorBytes } from '../../app/base/units.ts';
import { jobEventSchema } from '../../app/contract/events.ts';
import { readDirect, writeDirect } from './support/direct-io.ts';
import { checkFileSystem, makeFileSystem } from './support/file-system.ts';
import { makeImage, makeLoopDisk, readPart, sysfsNumber } from './support/loop-disk.ts';
import { Migration, runCli } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';
import { expectSame, SectorWriter } from './support/sector-writer.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

interface Case {
  readonly title: string;
  readonly blockBytes: 512 | 4096;
  readonly sourceBytes: number;
  /** How much larger the destination is. */
  readonly moreBytes: number;
}

const cases: readonly Case[] = [
  {
    title: 'of one sector too many to an equal one',
    blockBytes: 512,
    sourceBytes: 8 * mebibyte + 512,
    moreBytes: 0,
  },
  {
    title: 'of seven sectors too many to one that is a sector larger',
    blockBytes: 512,
    sourceBytes: 8 * mebibyte + 3584,
    moreBytes: 512,
  },
  {
    title: 'of one sector too few to a much larger one',
    blockBytes: 512,
    sourceBytes: 8 * mebibyte - 512,
    moreBytes: 40 * mebibyte,
  },
  {
    title: 'in blocks of 4096 to an equal one',
    blockBytes: 4096,
    sourceBytes: 8 * mebibyte + 4096,
    moreBytes: 0,
  },
  {
    title: 'in blocks of 4096 to one that is a block larger',
    blockBytes: 4096,
    sourceBytes: 8 * mebibyte,
    moreBytes: 4096,
  },
  {
    title: 'in blocks of 4096 to a much larger one',
    blockBytes: 4096,
    sourceBytes: 8 * mebibyte,
    moreBytes: 40 * mebibyte,
  },
];

describe.skipIf(!isRoot)('migrate of disks of odd sizes (needs root)', () => {
  it.each(cases.map((it) => [it.title, it] as const))(
    'moves a disk %s',
    async (_, { blockBytes, sourceBytes, moreBytes }) => {
      const scratch = scratchOf();
      const source = await makeLoopDisk(scratch, 'source', {
        sizeBytes: sourceBytes,
        blockBytes,
        content: 'random',
      });
      const sizeBytes = sourceBytes + moreBytes;
      const destination = await makeLoopDisk(scratch, 'destination', {
        sizeBytes,
        blockBytes,
        content: 'random',
      });
      const expected = readPart(source.path, 0, sourceBytes);
      const behind = readPart(destination.path, sourceBytes, moreBytes);

      const migration = Migration.start(
        scratch,
        { source: source.path, destination: destination.path },
        '--hold',
      );
      const device = await migration.pausedDevice();
      expect(sysfsNumber(device, 'size') * sectorBytes).toBe(sourceBytes);
      expect(sysfsNumber(device, 'queue/logical_block_size')).toBe(blockBytes);
      expect(sysfsNumber(device, 'queue/physical_block_size')).toBe(
        sysfsNumber(source.path, 'queue/physical_block_size'),
      );
      const writer = await SectorWriter.open(scratch, device, {
        seed: sourceBytes,
        expected,
        sectorBytes: blockBytes,
      });
      await writer.run(50);
      const last = Buffer.alloc(blockBytes, 0x5a);
      writeDirect(device, sourceBytes - blockBytes, last);
      expected.set(last, sourceBytes - blockBytes);
      await migration.ask('resume');
      await writer.run(50);
      await writer.close();
      await migration.event('synchronized');
      expectSame(readPart(device, 0, sourceBytes), expected);
      await migration.ask('cutover');
      expect(await migration.end()).toMatchObject({ exitCode: 0 });
      expectSame(readPart(destination.path, 0, sourceBytes), expected);
      expectSame(readPart(destination.path, sourceBytes, moreBytes), behind, sourceBytes);
    },
  );

  it.each([512, 5120])('moves an image file of %i bytes to a new one', async (sizeBytes) => {
    const scratch = scratchOf();
    const [source, destination] = [scratch.path('source.img'), scratch.path('destination.img')];
    makeImage(source, sizeBytes, 'random');
    const migration = Migration.start(scratch, { source, destination }, '--create', String(sizeBytes));
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expectSame(readPart(destination, 0, sizeBytes), readPart(source, 0, sizeBytes));
  });

  it('moves an image file with an odd name, and gives the job one that can be typed', async () => {
    const scratch = scratchOf();
    const [source, destination] = [scratch.path('-- My "disk"\n(old) $HOME.img'), scratch.path('new.img')];
    makeImage(source, mebibyte, 'random');
    const migration = Migration.start(scratch, { source, destination }, '--create', '1M');
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(await migration.job()).toMatch(/^My-disk-old-HOME-img-[0-9a-f]{8}$/);
    expectSame(readPart(destination, 0, mebibyte), readPart(source, 0, mebibyte));
  });

  it('plans a disk of 16 TiB, serves it at both ends, pauses, and gives it back', async () => {
    const scratch = scratchOf();
    const sizeBytes = 16 * 2 ** 40;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    const disks = { source: source.path, destination: destination.path };
    const paths = ['--source', disks.source, '--destination', disks.destination];
    const { stdout } = await runCli('plan', ...paths, '--json', '--state-dir', scratch.stateDirectory);
    const planned = jobEventSchema.parse(JSON.parse(stdout));
    expect(planned).toMatchObject({ event: 'planned', plan: { source: { sizeBytes } } });
    const lastSector = sizeBytes - sectorBytes;
    const [first, last] = [Buffer.alloc(sectorBytes, 0xf1), Buffer.alloc(sectorBytes, 0x1a)];
    writeDirect(source.path, lastSector, Buffer.alloc(sectorBytes, 0x77));

    const migration = Migration.start(scratch, disks);
    const device = await migration.pausedDevice();
    expect((await migration.ask('pause')).state).toBe('paused');
    expect(readDirect(device, lastSector, sectorBytes)).toEqual(Buffer.alloc(sectorBytes, 0x77));
    writeDirect(device, 0, first);
    writeDirect(device, lastSector, last);
    writeDirect(device, 2 ** 43 + 5 * sectorBytes, first);
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    expect(readPart(source.path, 0, sectorBytes)).toEqual(first);
    expect(readPart(source.path, lastSector, sectorBytes)).toEqual(last);
    expect(readPart(source.path, 2 ** 43 + 5 * sectorBytes, sectorBytes)).toEqual(first);
  });

  it('moves an XFS of 16 TiB that is nearly empty', async () => {
    const scratch = scratchOf();
    const sizeBytes = 16 * 2 ** 40;
    const source = await makeLoopDisk(scratch, 'source', { sizeBytes });
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes });
    await makeFileSystem('xfs', source.path, '-l', 'size=64m');
    const migration = Migration.start(scratch, { source: source.path, destination: destination.path });
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    await checkFileSystem('xfs', destination.path);
  });
});
