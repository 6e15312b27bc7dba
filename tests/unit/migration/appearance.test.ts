/** What the journal and the masks are told, in which order, and what of it may fail. */
import { beforeEach, describe, expect, test } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import type { MaskingEngine } from '../../../app/migration/appearance.ts';
import { Appearance } from '../../../app/migration/appearance.ts';
import { ShownDestination } from '../../../app/migration/shown-destination.ts';

const maskFailed = new DiskferryError('mask-failed', '/dev/sdb: hiding its identity failed: EIO');

let told: string[];
/** Those that fail, each as often as it stands here. */
let failing: string[];
let warnings: string[];
let appearance: Appearance;

const phaseNames = new Map<number, string>(Object.entries(jobPhases).map(([name, phase]) => [phase, name]));

function tell(what: string): Promise<void> {
  told.push(what);
  const index = failing.indexOf(what);
  if (index < 0) return Promise.resolve();
  failing.splice(index, 1);
  return Promise.reject(maskFailed);
}

const engine: MaskingEngine = {
  enterPhase: (phase) => tell(phaseNames.get(phase) ?? '?'),
  mask: (disk) => tell(`mask ${disk}`),
  unmask: (disk) => tell(`unmask ${disk}`),
  unmaskReadable: (disk) => tell(`unmask ${disk} where it can be read`),
};

/** In the job's record. */
const shown = new ShownDestination({
  keep: () => tell('keep: the destination may show'),
  warn: (message) => warnings.push(message),
});

beforeEach(() => {
  [told, failing, warnings] = [[], [], []];
  appearance = new Appearance({ engine, shown });
});

describe('the destination', () => {
  test('shows when the journal has said so', async () => {
    await appearance.showDestination();
    expect(told).toEqual(['committing', 'unmask destination']);
  });

  test('is not hidden by an undo when no commit has been tried', async () => {
    expect(await appearance.hideDestination()).toBe(false);
    expect(told).toEqual([]);
  });

  test('that cannot be hidden again keeps nothing from going back, and people are told once', async () => {
    failing = ['unmask destination', 'mask destination'];
    await expect(appearance.showDestination()).rejects.toThrow(maskFailed);
    expect(await appearance.hideDestination()).toBe(true);
    expect(await appearance.hideDestination()).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(/^\/dev\/sdb: hiding .* EIO; the undo goes on\. Disconnect/)]);
  });

  test('that cannot be hidden again is known to show by our own doing before anything goes back', async () => {
    failing = ['mask destination'];
    await appearance.showDestination();
    await appearance.hideDestination();
    expect(told.slice(-2)).toEqual(['mask destination', 'keep: the destination may show']);
  });

  test('keeps nothing from going back when that cannot be kept either, and people are told', async () => {
    failing = ['mask destination', 'keep: the destination may show'];
    await appearance.showDestination();
    expect(await appearance.hideDestination()).toBe(true);
    expect(warnings).toEqual([expect.stringMatching(/the undo goes on, but could not be gone on with if .*EIO\. Disc/)]);
  });

  test('is not said to be hidden when the engine has died', async () => {
    const died = new DiskferryError('engine-died', 'it ended');
    const dead = new Appearance({
      engine: { ...engine, mask: () => Promise.reject(died) },
      shown,
    });
    await dead.showDestination();
    await expect(dead.hideDestination()).rejects.toThrow(died);
  });
});

describe('the source', () => {
  test('shows when the journal has said so', async () => {
    await appearance.showSource(false);
    expect(told).toEqual(['undone', 'unmask source']);
  });

  test('shows at once as far as it can be read while users are held, its bad places found before', async () => {
    await appearance.lookAtSource();
    await appearance.showSource(true);
    expect(told).toEqual(['mask source', 'undone', 'unmask source where it can be read']);
  });

  test('shows also where an earlier try has shown what cannot be read any more, to be hidden', async () => {
    failing = ['mask source'];
    await appearance.lookAtSource();
    await appearance.showSource(true);
    expect(told).toEqual(['mask source', 'undone', 'unmask source where it can be read']);
  });

  test.each([true, false])('that cannot be shown is not the truth (users are held: %s)', async (isHeld) => {
    failing = ['unmask source', 'unmask source where it can be read'];
    await expect(appearance.showSource(isHeld)).rejects.toThrow(maskFailed);
    expect(told.slice(-2)).toEqual(['mask source', 'undoing']);
    told = [];
    await appearance.showSource(isHeld);
    expect(told[0]).toBe('undone');
  });

  test('that can be neither shown nor hidden is not the truth either', async () => {
    failing = ['unmask source where it can be read', 'mask source'];
    await expect(appearance.showSource(true)).rejects.toThrow(/EIO/);
    expect(told.at(-1)).toBe('undoing');
  });

  test('is left alone once it shows: its users may be there', async () => {
    await appearance.showSource(true);
    told = [];
    await appearance.lookAtSource();
    await appearance.showSource(true);
    expect(told).toEqual([]);
  });
});
