import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blockBytes } from '../../../app/base/units.ts';
import { levelMax, partsMax } from '../../../app/contract/place-levels.ts';
import { partsOf, placeCellsBytes, PlaceSurvey, readPlaces } from '../../../app/engine/place-survey.ts';
import { chunkBlocks, FlagMap } from '../../../app/flags/flag-map.ts';
import { UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';

const secondUs = 1_000_000;

/** Too many parts for one turn. */
const manyParts = 512 * 64;

class Volume {
  readonly blockCount: number;
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly unreadable: UnreadableBlocks;
  readonly cells = new SharedArrayBuffer(placeCellsBytes);
  readonly #clockUs = new Float64Array(1);

  constructor(blockCount: number) {
    this.blockCount = blockCount;
    this.flags = new FlagMap(blockCount);
    this.written = new FlagMap(blockCount);
    this.unreadable = new UnreadableBlocks(blockCount);
  }

  get places() {
    return readPlaces(this.cells, this.blockCount);
  }

  /** As many turns as one look at everything takes. */
  lookAtAll(survey: PlaceSurvey): void {
    this.#clockUs[0] = (this.#clockUs[0] ?? 0) + secondUs;
    survey.pump(this.#clockUs);
    while (survey.restUs(secondUs) < secondUs) survey.pump(this.#clockUs);
  }
}

describe('the parts of a volume', () => {
  test.each([1, 31, 32, 33, 4096, 32 * partsMax - 1, 32 * partsMax, 32 * partsMax + 1, partsMax * chunkBlocks, 2 ** 34])(
    'of %d blocks are few, equal but for the last, and all of it',
    (blockCount) => {
      const { count, blocksPerPart } = partsOf(blockCount);
      expect(count).toBeLessThanOrEqual(partsMax);
      expect(blocksPerPart * count).toBeGreaterThanOrEqual(blockCount);
      expect(blocksPerPart * (count - 1)).toBeLessThan(blockCount);
    },
  );

  test('of 64 TiB are whole chunks, which need not be looked into', () => {
    expect(partsOf(2 ** 34).blocksPerPart % chunkBlocks).toBe(0);
  });
});

describe('a survey', () => {
  test('says where what has crossed, and was written, lies', () => {
    const volume = new Volume(512 * 64);
    const survey = new PlaceSurvey(volume);
    expect(volume.places.crossed.every((level) => level === 0)).toBe(true);
    volume.flags.setRange(0, 64);
    volume.flags.setRange(128, 160);
    volume.written.setRange(128, 160);
    volume.unreadable.confirm(511 * 64 + 63);
    volume.lookAtAll(survey);
    const { partBytes, crossed, written, unreadable } = volume.places;
    expect(partBytes).toBe(64 * blockBytes);
    expect([...crossed.subarray(0, 4)]).toEqual([levelMax, 0, 32, 0]);
    expect([...written.subarray(0, 4)]).toEqual([0, 0, 32, 0]);
    expect(unreadable[511]).toBe(1);
    expect(unreadable[510]).toBe(0);
  });

  test('of a job that goes on knows everything from its first turn', () => {
    const volume = new Volume(1000);
    volume.flags.setRange(0, 1000);
    new PlaceSurvey(volume);
    expect(volume.places.crossed.every((level) => level === levelMax)).toBe(true);
  });

  test('knows what was free until it is written', () => {
    const volume = new Volume(512 * 64);
    const survey = new PlaceSurvey(volume);
    // Known twice, and free once.
    for (const [first, end] of [[32, 128], [32, 96]] as const) {
      survey.noteFree(first, end);
      volume.flags.setRange(first, end);
    }
    volume.lookAtAll(survey);
    expect([...volume.places.free.subarray(0, 3)]).toEqual([32, levelMax, 0]);
    volume.written.setRange(64, 128);
    volume.lookAtAll(survey);
    expect([...volume.places.free.subarray(0, 3)]).toEqual([32, 0, 0]);
  });

  test('never tells some as none or as all', () => {
    const blocks = fc.integer({ min: 1, max: 3 * chunkBlocks });
    fc.assert(
      fc.property(blocks, fc.array(fc.tuple(fc.nat(), fc.nat(70))), (blockCount, changes) => {
        const volume = new Volume(blockCount);
        const survey = new PlaceSurvey(volume);
        for (const [at, length] of changes)
          volume.flags.setRange(at % blockCount, Math.min(blockCount, (at % blockCount) + length));
        volume.lookAtAll(survey);
        const { blocksPerPart } = partsOf(blockCount);
        volume.places.crossed.forEach((level, part) => {
          const end = Math.min(blockCount, (part + 1) * blocksPerPart);
          const isAll = volume.flags.nextClear(part * blocksPerPart, end) === end;
          const isNone = volume.flags.nextSet(part * blocksPerPart, end) === end;
          expect([level === levelMax, level === 0]).toEqual([isAll, isNone]);
        });
      }),
      { numRuns: 50 },
    );
  });

  test('takes one turn for a few parts only, and does not look again within a second', () => {
    const volume = new Volume(512 * 64);
    const survey = new PlaceSurvey(volume);
    volume.flags.setRange(0, volume.blockCount);
    const clockUs = new Float64Array([secondUs]);
    survey.pump(clockUs);
    const seen = volume.places.crossed.filter((level) => level === levelMax).length;
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThanOrEqual(8);
    while (survey.restUs(secondUs) < secondUs) survey.pump(clockUs);
    volume.flags.clearRange(0, volume.blockCount);
    clockUs[0] = 2 * secondUs - 1;
    survey.pump(clockUs);
    expect(volume.places.crossed.every((level) => level === levelMax)).toBe(true);
  });

  test('does not wake an idle worker', () => {
    const volume = new Volume(manyParts);
    const survey = new PlaceSurvey(volume);
    const wakesIn = (clockUs: Float64Array): boolean => {
      survey.pump(clockUs);
      return survey.restUs(secondUs) < secondUs;
    };
    expect([1, 2, 3].map((second) => wakesIn(new Float64Array([second * secondUs])))).toEqual([false, false, false]);
    volume.flags.setRange(5, 5);
    volume.flags.clearRange(0, 64);
    volume.unreadable.doubt(0, 64);
    expect(wakesIn(new Float64Array([4 * secondUs]))).toBe(false);
    volume.flags.setRange(5, 6);
    expect(wakesIn(new Float64Array([4 * secondUs + 1]))).toBe(true);
  });

  test.each<[name: string, change: (volume: Volume) => void]>([
    ['flagged', ({ flags }) => flags.setRange(2000, 2001)],
    ['written over what has crossed', ({ written }) => written.setRange(100, 101)],
    ['returned by an undo', ({ written }) => written.clearRange(0, 1)],
    ['returned while as much is written elsewhere', ({ written }) => written.clearRange(0, 1) + written.setRange(100, 101)],
    ['found unreadable', ({ unreadable }) => unreadable.confirm(2000)],
    ['healed', ({ unreadable }) => unreadable.heal(1000, 1001)],
    ['healed while another is found', ({ unreadable }) => (unreadable.heal(1000, 1001), unreadable.confirm(2000))],
    ['loaded', ({ flags }) => flags.loadChunk(0, new Uint8Array(chunkBlocks / 8).fill(1))],
  ])('shows what was %s after a rest', (_, change) => {
    const volume = new Volume(manyParts);
    volume.flags.setRange(0, 128);
    volume.written.setRange(0, 64);
    volume.unreadable.confirm(1000);
    const survey = new PlaceSurvey(volume);
    volume.lookAtAll(survey);
    change(volume);
    volume.lookAtAll(survey);
    const looked = volume.places;
    new PlaceSurvey(volume);
    expect(looked).toEqual(volume.places);
  });

  test('looks again at what has changed behind it while it looked', () => {
    const volume = new Volume(manyParts);
    const survey = new PlaceSurvey(volume);
    volume.flags.setRange(64, 65);
    const clockUs = new Float64Array([secondUs]);
    survey.pump(clockUs);
    volume.flags.setRange(0, 64);
    while (survey.restUs(secondUs) < secondUs) survey.pump(clockUs);
    expect(volume.places.crossed[0]).toBe(0);
    clockUs[0] = 2 * secondUs;
    survey.pump(clockUs);
    expect(volume.places.crossed[0]).toBe(levelMax);
  });
});
