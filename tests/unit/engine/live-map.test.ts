/** What a successor reads of the live map is what was published last, whatever happened since. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { liveMapBytes } from '../../../app/engine/live-map-size.ts';
import { LiveMap } from '../../../app/engine/live-map.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { addon } from '../../../native/binding.ts';
import { Ring } from '../../../native/ring.ts';

const blockCount = 70_001;
const ioError = -5;

interface Maps {
  readonly flags: FlagMap;
  readonly written: FlagMap;
  readonly live: LiveMap;
}

describe('a live map', () => {
  let directory: string;
  let fd: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'diskferry-live-'));
    const path = join(directory, 'maps');
    writeFileSync(path, new Uint8Array(liveMapBytes(blockCount)));
    fd = openSync(path, 'r+');
  });

  afterEach(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  function open(how: { isTakenOver: boolean; isAllWritten: boolean }): Maps {
    const maps = { flags: new FlagMap(blockCount), written: new FlagMap(blockCount) };
    return { ...maps, live: new LiveMap({ fd, ...how }, maps) };
  }

  const first = { isTakenOver: false, isAllWritten: false };
  const successor = { isTakenOver: true, isAllWritten: false };

  it('has what was published, and nothing of what came after', () => {
    const { flags, written, live } = open(first);
    flags.setRange(3, 40_000);
    written.setRange(70_000, 70_001);
    live.publish(0);
    flags.setRange(50_000, 60_000);
    const found = open(successor);
    expect(found.flags.words).toEqual(open(successor).flags.words);
    expect([found.flags.setCount, found.written.setCount, found.live.failure]).toEqual([39_997, 1, 0]);
    expect(found.written.isSet(70_000)).toBe(true);
    live.publish(0);
    expect(open(successor).flags.setCount).toBe(49_997);
  });

  it('of a successor is there for the next one', () => {
    const { flags, live } = open(first);
    flags.setRange(0, 10);
    live.publish(0);
    const second = open(successor);
    second.flags.setRange(20, 30);
    second.live.publish(0);
    expect(open(successor).flags.setCount).toBe(20);
  });

  it('counts everything flagged as written after an undo that was not finished', () => {
    const { flags, written, live } = open(first);
    flags.setRange(0, 100);
    written.setRange(50, 60);
    live.publish(0);
    expect(open({ isTakenOver: true, isAllWritten: true }).written.setCount).toBe(100);
  });

  it('does not forget that a flush has failed', () => {
    const { live } = open(first);
    live.publish(ioError);
    expect(open(successor).live.failure).toBe(ioError);
  });

  it('is brought up to date before each hand-over to the kernel, also in the middle of a turn', () => {
    const pool = new BufferPool(4096, (view) => addon().misalignmentBytes(view));
    const ring = new Ring(pool);
    const { flags, live } = open(first);
    ring.beforeHandOver = () => live.publish(0);
    flags.setRange(0, 5);
    for (let count = 0; count < 2049; count += 1) ring.cancel(0, count);
    expect(open(successor).flags.setCount).toBe(5);
    flags.setRange(5, 9);
    ring.submitAndWait(1, 1_000_000);
    expect(open(successor).flags.setCount).toBe(9);
    ring.close();
  });
});
