/**
 * Which disk of a dead job may be shown without anybody's word for it: every phase, both disks. And what a job is told
 * when its disk is to be shown while somebody goes on with it, on image files.
 */
import { closeSync, existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DiskferryError, present } from '../../../app/base/error.ts';
import { mebibyte } from '../../../app/base/units.ts';
import type { PlannedDisk } from '../../../app/contract/plan.ts';
import type * as diskAtRestModule from '../../../app/devices/disk-at-rest.ts';
import { isAbsent, readDiskFacts } from '../../../app/devices/disk-facts.ts';
import type * as diskMaskModule from '../../../app/devices/disk-mask.ts';
import type * as recognisersModule from '../../../app/devices/foreign-recognisers.ts';
import type * as inventoryModule from '../../../app/devices/inventory.ts';
import { readInventory } from '../../../app/devices/inventory.ts';
import { readMounts } from '../../../app/devices/mounts.ts';
import { lockFile } from '../../../app/devices/open-disk.ts';
import { LiveFiles } from '../../../app/engine/live-files.ts';
import { readHeader, writeHeader } from '../../../app/journal/checkpoint-header.ts';
import type { JobPhase } from '../../../app/journal/job-phase.ts';
import { jobPhases } from '../../../app/journal/job-phase.ts';
import { unitBytes } from '../../../app/journal/layout.ts';
import { failedEvent } from '../../../app/migration/failed-event.ts';
import { JobJournal } from '../../../app/migration/job-journal.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import { keepInRecord, newJobRecord, requireRecord, writeJobRecord } from '../../../app/migration/job-record.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import type * as readJournalModule from '../../../app/migration/read-journal.ts';
import { lockDeadJob, takeOverJournal } from '../../../app/migration/read-journal.ts';
import type { JudgedJob } from '../../../app/migration/recovery.ts';
import { judgeDeadJob } from '../../../app/migration/recovery.ts';
import type * as showPartitionsModule from '../../../app/migration/show-partitions.ts';
import { takeOverRecord } from '../../../app/migration/take-over-record.ts';
import type { Unmasked } from '../../../app/migration/unmask.ts';
import { holdsNewest, unmask } from '../../../app/migration/unmask.ts';
import { lockByDead } from '../devices/dead-lock.ts';
import { makeFacts } from './made-facts.ts';
import { options } from './refusals.ts';

const { copying, undoing, committing, committed, undone } = jobPhases;

test.each([
  // What: phase, whether the virtual device may have been used, then source and destination.
  ['died in its start', copying, false, [true, false]],
  ['was copying', copying, true, [false, false]],
  ['was going back', undoing, true, [false, false]],
  ['was committing', committing, true, [false, true]],
  ['had committed', committed, true, [false, true]],
  ['had gone back', undone, true, [true, false]],
] as const)('a job that %s', (_, phase, wasUsed, expected) => {
  expect((['source', 'destination'] as const).map((role) => holdsNewest(role, phase, wasUsed))).toEqual(expected);
});

/** Where no disk delivers what it has. */
const lost = vi.hoisted((): { at: number | undefined } => ({ at: undefined }));
vi.mock('../../../app/devices/disk-mask.ts', async (importOriginal) => {
  const real = await importOriginal<typeof diskMaskModule>();
  const plainDisk: typeof real.plainDisk = (...parameters) => {
    const disk = real.plainDisk(...parameters);
    return { ...disk, read: (bytes, at) => at !== lost.at && disk.read(bytes, at) };
  };
  return { ...real, plainDisk };
});

/** What happens between the first look at the record and the journal's lock, and whenever a disk is looked at. */
const race = vi.hoisted((): Race => ({
  beforeLock: () => Promise.resolve(),
  whileLooking: () => Promise.resolve(),
  seen: (inventory) => inventory,
  showing: (show) => show(),
}));
interface Race {
  beforeLock: () => Promise<void>;
  whileLooking: (what: string) => Promise<void>;
  /** Of all devices, which may have changed since. */
  seen: (inventory: inventoryModule.Inventory) => inventoryModule.Inventory;
  /** Around the writing of a disk. */
  showing: (show: () => Promise<void>) => Promise<void>;
}

vi.mock('../../../app/migration/read-journal.ts', async (importOriginal) => {
  const real = await importOriginal<typeof readJournalModule>();
  const openJournal: typeof real.openJournal = async (...parameters) => {
    await race.beforeLock();
    return real.openJournal(...parameters);
  };
  const lockDeadJob: typeof real.lockDeadJob = async (...parameters) => {
    await race.beforeLock();
    return real.lockDeadJob(...parameters);
  };
  return { ...real, openJournal, lockDeadJob };
});

vi.mock('../../../app/devices/disk-at-rest.ts', async (importOriginal) => {
  const real = await importOriginal<typeof diskAtRestModule>();
  const hiddenOn: typeof real.hiddenOn = async (...parameters) => {
    await race.whileLooking('what is hidden');
    return real.hiddenOn(...parameters);
  };
  const placesLeft: typeof real.placesLeft = async (...parameters) => {
    await race.whileLooking('places that are left');
    return real.placesLeft(...parameters);
  };
  const showDisk: typeof real.showDisk = (...parameters) => race.showing(() => real.showDisk(...parameters));
  return { ...real, hiddenOn, placesLeft, showDisk };
});

vi.mock('../../../app/devices/inventory.ts', async (importOriginal) => {
  const real = await importOriginal<typeof inventoryModule>();
  const readInventory: typeof real.readInventory = async (...parameters) => {
    await race.whileLooking('all devices');
    return race.seen(await real.readInventory(...parameters));
  };
  return { ...real, readInventory };
});

vi.mock('../../../app/devices/foreign-recognisers.ts', async (importOriginal) => {
  const real = await importOriginal<typeof recognisersModule>();
  const recognisedBy: typeof real.recognisedBy = async (...parameters) => {
    await race.whileLooking('what programs see');
    return real.recognisedBy(...parameters);
  };
  return { ...real, recognisedBy };
});

vi.mock('../../../app/migration/show-partitions.ts', async (importOriginal) => {
  const real = await importOriginal<typeof showPartitionsModule>();
  const showPartitions: typeof real.showPartitions = async (...parameters) => {
    await race.whileLooking('partitions');
    return real.showPartitions(...parameters);
  };
  return { ...real, showPartitions };
});

describe('a disk of a job that died in its start', () => {
  const job = 'images-1234';
  const sizeBytes = 2 * mebibyte;
  const masked = Buffer.alloc(512, 0xff).fill(Buffer.from('EFI PART').map((value) => value ^ 0xff), 0, 8);
  let folder: string;
  let held: FileHandle[];

  const sourcePath = (): string => join(folder, 'source');
  const directory = (): string => join(folder, 'state', 'jobs', job);
  const show = (): Promise<Unmasked> =>
    unmask({ path: sourcePath(), stateDirectory: join(folder, 'state'), acceptsStale: false });
  const judge = (): Promise<JudgedJob> => judgeDeadJob({ job, directory: directory(), goesBack: false });
  const voided = async (): Promise<JobRecord['unmasked']> => (await requireRecord(directory(), job)).unmasked;

  async function hold(path: string): Promise<void> {
    const handle = await open(path, 'r');
    held.push(handle);
    lockFile(path, handle);
  }

  const fencePaths = (): string[] =>
    ['/run/diskferry', '/dev/shm/diskferry', `/dev/shm/diskferry-${process.getuid?.()}`].map((place) => join(place, job, 'fence'));

  async function letGo(): Promise<void> {
    for (const handle of held.splice(0)) await handle.close();
  }

  async function put(role: string, bytes: Uint8Array): Promise<void> {
    const handle = await open(join(folder, role), 'r+');
    await handle.write(bytes, 0, bytes.length, 512);
    await handle.close();
  }

  async function imageOf(role: string): Promise<PlannedDisk> {
    const path = join(folder, role);
    await writeFile(path, new Uint8Array(sizeBytes));
    const facts = readDiskFacts(await readInventory({ probes: false, votes: false }), path);
    if (isAbsent(facts)) throw new Error(`${path}: no such file`);
    const shape = { sizeBytes, logicalBlockBytes: 512, physicalBlockBytes: 512 };
    const rest = { model: null, serial: null, bus: null, content: null };
    return { path, kind: 'file', toBeCreated: false, ...shape, ...rest, identity: facts.identity };
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diskferry-unmask-'));
    held = [];
    lost.at = undefined;
    race.beforeLock = () => Promise.resolve();
    race.whileLooking = () => Promise.resolve();
    race.seen = (inventory) => inventory;
    race.showing = (really) => really();
    const disks = { source: await imageOf('source'), destination: await imageOf('destination') };
    const plan = { ...decidePlan(makeFacts(), options), ...disks, stateDirectory: join(folder, 'state') };
    await put('source', masked);
    await put('destination', masked);
    const asked = { speed: 'balanced', hold: false, users: { units: [] }, socketPath: '/nbd.sock' } as const;
    const record = await newJobRecord({ job, plan, ...asked });
    await mkdir(directory(), { recursive: true });
    await writeJobRecord(directory(), record);
    await (await JobJournal.create(directory(), record)).close();
  });

  afterEach(async () => {
    await letGo();
    await rm(folder, { recursive: true });
  });

  test('is shown, and ends the job', async () => {
    expect(await show()).toMatchObject({ types: ['gpt'], warnings: [] });
    expect(await voided()).toBe('source');
  });

  // To look at all devices may wait for the one that nobody serves yet, because a successor waits for us.
  test('keeps nobody from the job while programs are asked about disks', async () => {
    const asked: string[] = [];
    // Some looks are at the same time, and are not to keep each other from it.
    let free = Promise.resolve();
    race.whileLooking = (what) => {
      asked.push(what);
      free = free.then(async () => (await lockDeadJob(directory()))?.());
      return free;
    };
    await show();
    expect(new Set(asked)).toEqual(
      new Set(['all devices', 'what is hidden', 'places that are left', 'partitions', 'what programs see']),
    );
  });

  test('is not shown while somebody goes on with the job', async () => {
    await hold(join(directory(), 'journal'));
    await expect(show()).rejects.toMatchObject({
      code: 'job-held',
      message: expect.stringContaining(`${sourcePath()}: was not shown: another process is at work on its job ${job}, `) as string,
    });
    expect(await voided()).toBeUndefined();
  });

  test('is not shown while a successor waits for what the process that died was writing', async () => {
    LiveFiles.discard(job);
    const live = await LiveFiles.make({ job, sizeBytes });
    try {
      await expect(show()).rejects.toMatchObject({ code: 'job-held' });
      expect(await voided()).toBeUndefined();
      // Nor does a recovery take the journal away from it.
      await expect(judge()).rejects.toMatchObject({ code: 'job-held' });
    } finally {
      closeSync(live.setting.fenceFd);
      live.remove();
    }
  });

  // Which is a stale one: the source is the volume.
  describe('whose destination is to be shown', () => {
    const plain = Buffer.from(masked.map((value) => value ^ 0xff));
    const words = async (): Promise<Pick<JobRecord, 'unmasked' | 'unmasking'>> => {
      const { unmasked, unmasking } = await requireRecord(directory(), job);
      return { ...(unmasked && { unmasked }), ...(unmasking && { unmasking }) };
    };
    const showOther = (): Promise<Unmasked> =>
      unmask({ path: join(folder, 'destination'), stateDirectory: join(folder, 'state'), acceptsStale: true });
    const takeOver = async (): Promise<void> => (await takeOverRecord(directory(), job)).journal.close();

    test('says so before it is done, and that it is done afterwards', async () => {
      const said: unknown[] = [];
      race.showing = async (really) => {
        said.push(await words());
        await really();
        said.push(await words());
      };
      await showOther();
      said.push(await words());
      expect(said).toEqual([{ unmasking: 'destination' }, { unmasking: 'destination' }, { unmasked: 'destination' }]);
    });

    test('is taken over from nobody when unmask was killed behind it', async () => {
      await put('destination', plain);
      await keepInRecord(directory(), job, { unmasking: 'destination' });
      await expect(takeOver()).rejects.toMatchObject({ code: 'disk-unmasked', context: { device: join(folder, 'destination') } });
      // Nor is the journal held by who was refused.
      await (await judge()).journal.close();
    });

    test('goes on when unmask was killed before it', async () => {
      await keepInRecord(directory(), job, { unmasking: 'destination' });
      await takeOver();
      const judged = await judge();
      await judged.journal.close();
      expect(judged.continuation).toBe('go-on');
    });

    test('is taken over from nobody when it cannot be read', async () => {
      await keepInRecord(directory(), job, { unmasking: 'destination' });
      lost.at = 512;
      await expect(takeOver()).rejects.toMatchObject({ code: 'disk-unmasked' });
    });

    test.each([
      ['and nothing of it shows', () => Promise.resolve(), undefined, {}],
      ['and some of it shows', () => put('destination', plain), undefined, { unmasked: 'destination' }],
      ['and it cannot be read', () => Promise.resolve(), 512, { unmasking: 'destination' }],
    ] as const)('fails, %s: the record says what is known', async (_, before, at, expected) => {
      race.showing = async () => {
        await before();
        lost.at = at;
        throw new DiskferryError('mask-failed', 'write at 512 failed: EIO');
      };
      await expect(showOther()).rejects.toMatchObject({ code: 'mask-failed' });
      expect(await words()).toEqual(expected);
    });
  });

  describe('of which only what the dead process was writing is left', () => {
    const unanswered = 'what the process that served it was writing is still on its way to a disk that does not answer';

    /** Neither a successor nor anybody else waits for it, and none is said to. */
    async function isTold(): Promise<void> {
      const [notShown, notRecovered] = [show(), judge()].map((asked) => asked.catch((reason: unknown) => reason));
      expect(await notShown).toMatchObject({
        code: 'disk-silent',
        message: `${sourcePath()}: was not shown: its job ${job} died, and ${unanswered}`,
      });
      expect(await notRecovered).toMatchObject({ code: 'disk-silent', message: `${job}: the job died, and ${unanswered}` });
      expect(failedEvent(await notRecovered, { job })).toMatchObject({
        ...{ advice: expect.stringMatching(/^Wait until the disk answers, then try again/) as string, dataIs: 'both' },
      });
      expect(await voided()).toBeUndefined();
    }

    test('by the journal', async () => {
      const handle = await open(join(directory(), 'journal'), 'r');
      held.push(handle);
      await lockByDead(handle);
      await isTold();
      await expect(takeOverJournal(directory(), await requireRecord(directory(), job), 0)).rejects.toMatchObject({
        code: 'takeover-refused',
        message: `${job}: the job cannot be taken over: it died, and ${unanswered} (waited for 0 s)`,
      });
    });

    test('by the fence', async () => {
      LiveFiles.discard(job);
      const live = await LiveFiles.make({ job, sizeBytes });
      try {
        closeSync(live.setting.fenceFd);
        const fence = await open(present(fencePaths().find((path) => existsSync(path)), 'the fence that was made'), 'r');
        held.push(fence);
        await lockByDead(fence);
        await isTold();
      } finally {
        live.remove();
      }
    });
  });

  /** As if the job had said so before it died. */
  async function say(phase: JobPhase): Promise<void> {
    const path = join(directory(), 'journal');
    const unit = (await readFile(path)).subarray(0, unitBytes);
    const finding = readHeader(Uint8Array.from(unit));
    if (finding.kind !== 'whole') throw new Error(`the header is ${finding.kind}`);
    writeHeader(unit, { ...finding.header, phase });
    const handle = await open(path, 'r+');
    await handle.write(unit, 0, unit.length, 0);
    await handle.close();
  }

  // An undo or a commit that failed half-way: users may be on the source, and either disk may show.
  test.each([
    ['copying', true],
    ['undoing', true],
    ['undone', false],
    ['committing', false],
    ['committed', false],
  ] as const)('of a job whose journal says %s has a successor: %s', async (phase, isPossible) => {
    await say(jobPhases[phase]);
    const taking = takeOverRecord(directory(), job);
    if (isPossible) await (await taking).journal.close();
    else await expect(taking).rejects.toMatchObject({ code: 'takeover-refused' });
    // Nor is the journal held by who was refused.
    await (await judge()).journal.close();
  });

  test('ends no job when somebody has the disk and nothing of it shows', async () => {
    await hold(sourcePath());
    await expect(show()).rejects.toMatchObject({ code: 'device-in-use' });
    expect(await voided()).toBeUndefined();
    await letGo();
    await show();
    expect(await voided()).toBe('source');
  });

  test('is heard of by a recovery that had read the record before', async () => {
    race.beforeLock = () => keepInRecord(directory(), job, { unmasked: 'source' });
    const judged = await judge();
    await judged.journal.close();
    expect(judged).toMatchObject({ continuation: 'finish-on-source', record: { unmasked: 'source' } });
  });

  test('keeps a recovery waiting, which is told why', async () => {
    await hold(join(directory(), 'journal'));
    const error = await judge().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'job-held', message: expect.stringContaining('unmask') as string });
    expect(failedEvent(error, { job })).toMatchObject({ advice: expect.stringContaining('then try again') as string });
    await letGo();
    await (await judge()).journal.close();
  });

  // A look at all devices may wait for the one that nobody serves yet, because a successor waits for us.
  test('does not wait for a recovery that looks at all devices', async () => {
    const record = await requireRecord(directory(), job);
    let looks = 0;
    race.whileLooking = async () => {
      looks += 1;
      await (await takeOverJournal(directory(), record, 0)).close();
    };
    await (await judge()).journal.close();
    expect(looks).toBe(1);
  });

  test('keeps its successor, which has begun while a recovery looked at all devices', async () => {
    const live: LiveFiles[] = [];
    LiveFiles.discard(job);
    race.whileLooking = async () => {
      live.push(await LiveFiles.make({ job, sizeBytes }));
    };
    try {
      await expect(judge()).rejects.toMatchObject({ code: 'job-held' });
    } finally {
      for (const files of live) {
        closeSync(files.setting.fenceFd);
        files.remove();
      }
    }
  });

  test.each([
    ['once', 1, [true, true]],
    // Then while nobody else can have the job: what changes all the time keeps nobody from recovering.
    ['again and again', 9, [true, true, true, false]],
  ] as const)('is looked for again where something was mounted %s while a recovery waited for its journal', async (_, times, isFree) => {
    const record = await requireRecord(directory(), job);
    const looks: boolean[] = [];
    race.whileLooking = async () => {
      const taking = takeOverJournal(directory(), record, 0);
      looks.push(await taking.then((journal) => journal.close()).then(() => true, () => false));
    };
    race.seen = (seen) => (looks.length > times ? seen : { ...seen, mounts: seen.mounts.slice(1) });
    const { journal, inventory } = await judge();
    await journal.close();
    expect(looks).toEqual(isFree);
    if (times === 1) expect(inventory.mounts.map(({ id }) => id)).toEqual(readMounts().map(({ id }) => id));
  });

  test('ends in between, and that is said', async () => {
    race.beforeLock = () => rm(join(directory(), 'job.json'));
    await expect(show()).rejects.toMatchObject({
      code: 'job-held',
      message: `${sourcePath()}: the job ${job}, to which it belonged, has been ended at this moment, so it may show by now`,
    });
  });

  test('costs no user his device: a successor waits for the lock', async () => {
    await hold(join(directory(), 'journal'));
    const record = await requireRecord(directory(), job);
    await expect(takeOverJournal(directory(), record, 0)).rejects.toMatchObject({
      code: 'takeover-refused',
      message: expect.stringContaining(`${job}: the job cannot be taken over: another process is at work on it`) as string,
    });
    const taking = takeOverJournal(directory(), record);
    // So that it finds the lock taken.
    await sleep(200);
    await letGo();
    await (await taking).close();
  });
});
