/**
 * The guard on real content: for each type that the system's tools can make here, those tools know the disk,
 * then see nothing on it, then know it again, byte for byte. And every prefix of the writes of a whole job is
 * what a power cut may leave: at most one of the two disks is known. Whole jobs: guard-jobs.test.ts.
 */
import { closeSync, copyFileSync, openSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import type { PlainDisk } from '../../app/devices/disk-mask.ts';
import { findIdentities, maskDisk, plainDisk, unmaskDisk, wipeDisk } from '../../app/devices/disk-mask.ts';
import { recognisedBy } from '../../app/devices/foreign-recognisers.ts';
import { GuardPlaces } from '../../app/devices/guard-places.ts';
import { previewOf } from '../../app/devices/masked-preview.ts';
import { identityMakers, makeIdentity, makeKnownDisk, makerOf } from './support/identities.ts';
import { useScratch } from './support/scratch.ts';
import { isSoak } from './support/soak.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();

async function withDisk<T>(path: string, act: (disk: PlainDisk) => Promise<T> | T): Promise<T> {
  const fd = openSync(path, 'r+');
  try {
    return await act(plainDisk(fd, path, 512));
  } finally {
    closeSync(fd);
  }
}

describe.skipIf(!isRoot).each(Object.entries(identityMakers))('%s (needs root)', (_name, maker) => {
  test('is known, then unknown to every program, then the same again', async () => {
    const { path, file, sizeBytes } = await makeKnownDisk(scratch(), 'disk', maker);
    const places = new GuardPlaces(sizeBytes);
    const before = readFileSync(file);
    const look = (): Promise<string[]> => recognisedBy({ node: path, path });
    const known = await look();
    expect(known).not.toEqual([]);
    const disk = { path, kind: 'block', sizeBytes, logicalBlockBytes: 512 } as const;
    // What is looked at before users are stopped shows the same, and nothing once it is hidden.
    const whole = ['lvm', 'btrfs'];
    const programs = (answers: readonly string[]): string[] =>
      answers.map((answer) => answer.split(' ')[0] ?? '').filter((program) => !whole.includes(program));
    expect(programs(await previewOf(disk, () => undefined))).toEqual(programs(known));
    expect(await previewOf(disk, (preview) => maskDisk(preview, places))).toEqual([]);
    expect(readFileSync(file).equals(before)).toBe(true);
    await withDisk(path, async (disk) => {
      const found = findIdentities(disk, places);
      expect(found.map((one) => one.type)).toContain(maker.type);
      expect(found.filter(({ isMasked }) => isMasked)).toEqual([]);
      expect(maskDisk(disk, places)).toBe(found.length);
      expect(await look()).toEqual([]);
      expect(maskDisk(disk, places)).toBe(0);
      expect(findIdentities(disk, places).map((one) => one.isMasked)).toEqual(found.map(() => true));
      expect(unmaskDisk(disk, places)).toBe(found.length);
    });
    expect(await look()).toEqual(known);
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});

/** One write of a job, or of its undo. */
interface Change {
  readonly disk: string;
  readonly bytes: Uint8Array;
  readonly offsetBytes: number;
}

/** The disk, and a note of everything that is written to it. */
function recorded(disk: PlainDisk, changes: Change[]): PlainDisk {
  return {
    ...disk,
    write: (bytes, offsetBytes) => {
      changes.push({ disk: disk.path, bytes: bytes.slice(), offsetBytes });
      disk.write(bytes, offsetBytes);
    },
  };
}

const cutTypes = isSoak ? ['ext4', 'LUKS2', 'GPT', 'Btrfs'] : ['GPT'];

describe.skipIf(!isRoot).each(cutTypes)('a power cut between any two writes, %s (needs root)', (name) => {
  test.each(['commit', 'undo'])('%s: at most one disk is known', async (ending) => {
    const folder = await scratch().makeDirectory('power');
    const [source, destination] = [`${folder}/source`, `${folder}/destination`];
    const sizeBytes = makerOf(name).sizeMib * mebibyte;
    const places = new GuardPlaces(sizeBytes);
    await runCommand('truncate', ['-s', String(sizeBytes), source, destination], 'making images');
    await makeIdentity(source, makerOf(name));
    await makeIdentity(destination, makerOf('MBR'));
    const start = { [source]: `${folder}/s0`, [destination]: `${folder}/d0` };
    for (const [path, copy] of Object.entries(start)) copyFileSync(path, copy);

    const changes: Change[] = [];
    await withDisk(source, (plainSource) =>
      withDisk(destination, (plainDestination) => {
        const [from, to] = [recorded(plainSource, changes), recorded(plainDestination, changes)];
        wipeDisk(to, places);
        maskDisk(from, places);
        copyIdentities({ from: plainSource, to, places });
        if (ending === 'commit') unmaskDisk(to, places);
        else unmaskDisk(from, places);
      }),
    );
    for (const [path, copy] of Object.entries(start)) copyFileSync(copy, path);
    const known = async (path: string): Promise<boolean> =>
      (await recognisedBy({ node: null, path })).length > 0;
    const wiped = changes.findIndex(({ disk }) => disk === source);
    for (const [index, { disk, bytes, offsetBytes }] of changes.entries()) {
      await withDisk(disk, (plain) => plain.write(bytes, offsetBytes));
      // Before the source is touched the destination may still be what it was: that is another volume.
      if (index + 1 < wiped) continue;
      expect([await known(source), await known(destination)]).not.toEqual([true, true]);
    }
    const isCommitted = ending === 'commit';
    expect([await known(source), await known(destination)]).toEqual([!isCommitted, isCommitted]);
  });
});

interface Copying {
  readonly from: PlainDisk;
  readonly to: PlainDisk;
  readonly places: GuardPlaces;
}

/** What the copy brings to the guarded sectors: masked, as on the source. */
function copyIdentities({ from, to, places }: Copying): void {
  for (let place = 0; place < places.count; place += 1) {
    const sector = new Uint8Array(512);
    from.read(sector, places.offsetOf(place));
    to.write(sector, places.offsetOf(place));
  }
}
