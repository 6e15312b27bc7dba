/** Showing and hiding a disk that is served, over disks that the test steps by hand. */
import { beforeEach, describe, expect, test } from 'vitest';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { mebibyte } from '../../../app/base/units.ts';
import { destination, source } from '../../../app/devices/disk-io.ts';
import { GuardPlaces } from '../../../app/devices/guard-places.ts';
import { MaskedDiskIo, maskedIoPoolBytes } from '../../../app/devices/masked-disk-io.ts';
import { MaskChange, maskChangePoolBytes } from '../../../app/engine/mask-change.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';
import { SteppedDiskIo } from '../router/stepped-disk-io.ts';

const sizeBytes = 8 * mebibyte;
const places = new GuardPlaces(sizeBytes);
const ioError = -5;
const gpt = Buffer.from('EFI PART').map((value) => value ^ 0xff);

let io: SteppedDiskIo;
let pool: BufferPool;
let masked: MaskedDiskIo;
let change: MaskChange;
let answers: number[];
let hasLost: boolean;

beforeEach(() => {
  hasLost = false;
  io = new SteppedDiskIo();
  pool = new BufferPool(maskedIoPoolBytes + maskChangePoolBytes + mebibyte, () => 0);
  const shared = { io, pool, places, logicalBlockBytes: 512 };
  masked = new MaskedDiskIo({ ...shared, operationsMax: 16 });
  change = new MaskChange({
    ...{ ...shared, masked, ranges: new RangesInFlight(1) },
    durableWriteFailed: () => undefined,
    mayHaveLost: () => hasLost,
  });
  answers = [];
});

function begin(isMasked: boolean, skipsUnreadable = false): void {
  change.start({ disk: source, isMasked, skipsUnreadable }, (result) => answers.push(result));
}

interface Found {
  readonly gptAt?: readonly number[];
  readonly bad?: readonly number[];
  /** Where it cannot be written. */
  readonly stuck?: readonly number[];
}

/** Ends everything; returns where the disk was read, or written when `gptAt` holds a hidden GPT header. */
function play({ gptAt = [], bad = [], stuck = [] }: Found = {}): string[] {
  const seen = [];
  for (let [text] = io.underWay; text !== undefined; [text] = io.underWay) {
    seen.push(text);
    const offset = Number(/ (\d+)\+/.exec(text)?.[1]);
    const isRead = text.startsWith('read');
    if (isRead) pool.bytes.fill(0, io.bufferOf(text), io.bufferOf(text) + 512);
    if (isRead && gptAt.includes(offset)) pool.bytes.set(gpt, io.bufferOf(text));
    io.end(text, (isRead ? bad : stuck).includes(offset) ? ioError : 0);
  }
  return seen;
}

const ascending = Array.from({ length: places.count }, (_, place) => `read source ${places.offsetOf(place)}+512`);

const durably = (reads: readonly string[]): string[] => reads.map((text) => `${text.replace('read', 'write')} fua`);

describe('a change of masks', () => {
  test('hides from the start of the disk to its end, and then flushes', () => {
    begin(true);
    expect(play()).toEqual([...ascending, 'flush source']);
    expect(answers).toEqual([0]);
  });

  test('shows from the end to the start: the primary of a partition table comes after its backup', () => {
    begin(false);
    const seen = play({ gptAt: [512, sizeBytes - 512] });
    expect(seen.filter((text) => text.startsWith('read'))).toEqual(ascending.toReversed());
    expect(seen.filter((text) => text.startsWith('write'))).toEqual([
      `write source ${sizeBytes - 512}+512 fua`,
      'write source 512+512 fua',
    ]);
    expect(answers).toEqual([0]);
  });

  test('ends at a place that cannot be read, unless that may be left', () => {
    begin(false);
    play({ bad: [4096] });
    begin(false, true);
    expect(play({ bad: [4096] }).at(-1)).toBe('flush source');
    expect(answers).toEqual([ioError, 0]);
  });

  test('does not try a bad place again that may be left, until something is written there', () => {
    begin(true, true);
    play({ bad: [4096] });
    begin(false, true);
    expect(play()).toEqual([...ascending.toReversed().filter((text) => !text.includes(' 4096+')), 'flush source']);
    const client = { diskOperationDone: () => undefined };
    masked.write(destination, Float64Array.of(0), 8192, 0, false, client, 0);
    play();
    begin(false, true);
    expect(play()).toHaveLength(places.count);
    masked.write(source, Float64Array.of(0), 8192, 0, false, client, 0);
    play();
    begin(false, true);
    expect(play()).toHaveLength(places.count + 1);
  });

  test('tries a bad place again that may not be left', () => {
    begin(true, true);
    play({ bad: [4096] });
    begin(false);
    expect(play()).toHaveLength(places.count + 1);
  });

  // What the place held before may be all that is durable, and be hidden, though a read sees none of it.
  test('shows every place durably once a flush has failed, whatever is read there', () => {
    hasLost = true;
    begin(false);
    const seen = play({ gptAt: [512] });
    expect(seen.filter((text) => text.startsWith('write'))).toEqual(durably(ascending.toReversed()));
    expect(answers).toEqual([0]);
  });

  test('hides durably after a failed flush what may have shown, and leaves a place alone that never has', () => {
    begin(false);
    play({ gptAt: [sizeBytes - 512], bad: [4096] });
    hasLost = true;
    begin(true);
    const shown = ascending.filter((text) => Number(/ (\d+)\+/.exec(text)?.[1]) > 4096);
    expect(shown.length).toBeLessThan(places.count);
    expect(play().filter((text) => text.startsWith('write'))).toEqual(durably(shown));
    expect(answers).toEqual([ioError, 0]);
  });

  describe('that hides does not end well where it cannot read', () => {
    const place = 4096;
    const client = { diskOperationDone: () => undefined };
    /** Whether a program may know the disk by it, as the user's own program has written it there. */
    const use = (): void => {
      masked.write(source, Float64Array.of(0), 8192, 0, false, client, 0);
      play();
    };

    test.each<[name: string, isTold: boolean, before: () => void]>([
      ['what has never shown', false, () => undefined],
      ['what has been shown', true, () => (begin(false), play({ gptAt: [place] }))],
      ['what could not be shown because it could not be read', false, () => (begin(false, true), play({ bad: [place] }))],
      ['what has been written since it could not be read', true, () => (begin(false, true), play({ bad: [place] }), use())],
    ])('%s: %s', (_, isTold, before) => {
      before();
      answers = [];
      for (let count = 0; count < 2; count += 1) {
        begin(true, true);
        expect(play({ bad: [place] }).at(-1)).toBe('flush source');
      }
      expect(answers).toEqual(isTold ? [ioError, ioError] : [0, 0]);
      // The disk delivers it again: nothing is left to tell.
      use();
      begin(true, true);
      play();
      expect(answers.at(-1)).toBe(0);
    });
  });

  test('hides what lies behind a place that refuses that, and tells of it', () => {
    for (let place = 0; place < places.count; place += 1) masked.setMasking(source, place, false);
    hasLost = true;
    begin(true);
    expect(play({ stuck: [4096] }).filter((text) => text.startsWith('write'))).toEqual(durably(ascending));
    begin(true);
    expect(play().filter((text) => text.startsWith('write'))).toEqual(['write source 4096+512 fua']);
    expect(answers).toEqual([ioError, 0]);
  });

  // Its consumer has written over an identity in the disk's cache, and a power cut would bring it back.
  test('hides every place durably after a failed flush of a disk that shows what it gets', () => {
    for (let place = 0; place < places.count; place += 1) masked.setMasking(source, place, false);
    hasLost = true;
    begin(true);
    expect(play().filter((text) => text.startsWith('write'))).toEqual(durably(ascending));
    expect(answers).toEqual([0]);
  });

  test('begins again when a flush fails meanwhile: what it has passed by may be lost', () => {
    for (let place = 0; place < places.count; place += 1) masked.setMasking(source, place, false);
    begin(true);
    const [first] = io.underWay;
    io.end(first ?? '', 0);
    hasLost = true;
    const seen = play();
    expect(seen.filter((text) => text === 'flush source')).toHaveLength(2);
    expect(seen.filter((text) => text === durably(ascending)[0])).toHaveLength(1);
    expect(answers).toEqual([0]);
  });
});
