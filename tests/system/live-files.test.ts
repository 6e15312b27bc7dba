/**
 * What a killed process leaves for its successor: what is of another job, boot or size is refused, and of two
 * successors one wins, as soon as the dead process's last request has ended.
 */
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LiveState } from '../../app/engine/live-files.ts';
import { LiveFiles } from '../../app/engine/live-files.ts';
import { addon } from '../../native/binding.ts';

const sizeBytes = 64 * 1024 * 1024 + 512;
const nobody = 2 ** 30;
const state: LiveState = { phase: 'serving', device: '/dev/loop77', isPaused: true, speed: 'gentle', directBytes: 0 };

describe('live files', () => {
  let place: string;
  const options = { job: 'a-job', sizeBytes };

  beforeEach(() => {
    place = mkdtempSync('/dev/shm/diskferry-test-');
  });

  afterEach(() => rmSync(place, { recursive: true }));

  /** As a killed process leaves them; the fence is free. */
  async function leave(change: (text: string) => string = (text) => text, left: LiveState = state): Promise<void> {
    const files = await LiveFiles.make(options, [place]);
    files.save(left);
    closeSync(files.setting.fenceFd);
    const path = join(place, 'a-job', 'state.json');
    const dead = readFileSync(path, 'utf8').replace(`"processId":${process.pid}`, `"processId":${nobody}`);
    writeFileSync(path, change(dead));
  }

  function takeOver(onWait: () => void = () => undefined): Promise<LiveFiles> {
    return LiveFiles.takeOver({ ...options, onWait, places: [place] });
  }

  it('are found as they were left, and gone when the job has ended', async () => {
    await leave();
    const files = await takeOver();
    expect(files.found).toEqual(state);
    expect(files.setting).toMatchObject({ isTakenOver: true, isAllWritten: false });
    files.remove();
    expect(readdirSync(place)).toEqual([]);
  });

  it('make everything count as written when an undo was under way', async () => {
    await leave(undefined, { ...state, phase: 'undoing' });
    expect((await takeOver()).setting).toMatchObject({ isAllWritten: true });
  });

  it('make everything count as written where users may write past the engine', async () => {
    await leave(undefined, { ...state, directBytes: 4096 });
    expect((await takeOver()).setting).toMatchObject({ isAllWritten: true, isDirect: true });
  });

  it.each([
    ['another job', (text: string) => text.replace('a-job', 'b-job')],
    ['another boot', (text: string) => text.replace(/"bootId":"[^"]*"/, '"bootId":"b"')],
    ['another size', (text: string) => text.replace(String(sizeBytes), '4096')],
    ['a version from the future', (text: string) => text.replace('"version":1', '"version":2')],
    ['garbage', () => '{'],
    ['users on their way', (text: string) => text.replace('serving', 'changing')],
  ])('of %s are refused', async (_, change) => {
    await leave(change);
    await expect(takeOver()).rejects.toMatchObject({ code: 'takeover-refused' });
  });

  it('whose maps are cut short, or that are not there, are refused', async () => {
    await expect(takeOver()).rejects.toMatchObject({ code: 'takeover-refused' });
    await leave();
    truncateSync(join(place, 'a-job', 'maps'), 4096);
    await expect(takeOver()).rejects.toMatchObject({ code: 'takeover-refused' });
  });

  it('are taken only when the fence falls', async () => {
    await leave();
    expect(LiveFiles.isHeld('a-job', [place])).toBe(false);
    const inFlight = openSync(join(place, 'a-job', 'fence'), constants.O_RDONLY);
    addon().lockExclusive(inFlight);
    expect(LiveFiles.isHeld('a-job', [place])).toBe(true);
    let hasFallen = false;
    let isTold = false;
    const taken = takeOver(() => (isTold = true)).then((files) => ({ files, hasFallen }));
    setTimeout(() => {
      hasFallen = true;
      closeSync(inFlight);
    }, 2500);
    expect((await taken).hasFallen).toBe(true);
    expect(isTold).toBe(true);
  });

  it('tell for which device a successor is waited for, as long as somebody lives to start one', async () => {
    const isAwaited = (device: string, except?: string): boolean => LiveFiles.isAwaited(device, except, [place]);
    const supervisedBy = (id: number) => (text: string) => text.replace(/"supervisorId":\d+/, `"supervisorId":${id}`);
    await leave(supervisedBy(process.pid));
    writeFileSync(join(place, 'service.sock'), '');
    expect([isAwaited(state.device), isAwaited('/dev/loop7'), isAwaited(state.device, 'a-job')]).toEqual([true, false, false]);
    rmSync(join(place, 'a-job'), { recursive: true });
    await leave(supervisedBy(nobody));
    expect(isAwaited(state.device)).toBe(false);
    rmSync(join(place, 'a-job'), { recursive: true });
    await leave((text) => supervisedBy(process.pid)(text).replace(/"bootId":"[^"]*"/, '"bootId":"b"'));
    expect(isAwaited(state.device)).toBe(false);
    rmSync(join(place, 'a-job'), { recursive: true });
    const files = await LiveFiles.make(options, [place]);
    files.save(state);
    expect(isAwaited(state.device)).toBe(true);
    closeSync(files.setting.fenceFd);
    files.remove();
    expect(isAwaited(state.device)).toBe(false);
  });

  it('are taken by one of two successors', async () => {
    await leave();
    const outcome = await Promise.allSettled([takeOver(), takeOver()]);
    expect(outcome.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const loser = outcome.find(({ status }) => status === 'rejected');
    expect(loser).toMatchObject({ reason: { code: 'takeover-refused' } });
  });

  it('cannot be made where memory is not', async () => {
    await expect(LiveFiles.make(options, ['/sys/kernel'])).rejects.toMatchObject({ code: 'takeover-impossible' });
  });
});
