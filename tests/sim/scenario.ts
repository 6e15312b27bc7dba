/**
 * What a seed decides before anything happens: the disks' sizes, how fast and how broken they are, what the
 * consumer is like, and how it all ends. Plain data; printed with a failure.
 */
import { blockBytes, sectorBytes } from '../../app/base/units.ts';
import type { Speed } from '../../app/copy/pace.ts';
import { speeds } from '../../app/copy/pace.ts';
import { destination, source } from '../../app/devices/disk-io.ts';
import { chunkBlocks } from '../../app/flags/flag-map.ts';
import type { BadSectors, FaultPlan } from './faults.ts';
import type { Random } from './random.ts';
import type { DiskTemper } from './sim-disk-io.ts';

/** The most requests at once. */
export const requestSlotsMax = 24;

export type Ending = 'commit' | 'undo';

export const requestMixes = {
  everything: { read: 30, write: 35, flush: 7, discard: 12, zeroes: 16 },
  'mostly reads': { read: 70, write: 20, flush: 4, discard: 3, zeroes: 3 },
  'mostly writes': { read: 20, write: 70, flush: 5, discard: 2, zeroes: 3 },
  'hardly ever flushes': { read: 8, write: 90, flush: 1, discard: 0, zeroes: 1 },
  'like a file system': { read: 40, write: 40, flush: 20, discard: 0, zeroes: 0 },
  'mostly discards': { read: 20, write: 25, flush: 5, discard: 30, zeroes: 20 },
} as const;
export type RequestMix = keyof typeof requestMixes;

export interface ConsumerTemper {
  readonly mix: RequestMix;
  /** Requests come in bursts, up to this many at once. */
  readonly burstMax: number;
  /** Time between bursts. */
  readonly thinkUsMax: number;
  /** Now and then it is silent for longer than the pace takes for idle. */
  readonly silenceChance: number;
  readonly fuaChance: number;
  /** How long the longest of its usual requests are. */
  readonly usualSectorsMax: number;
  /** How often a request is as long as it may be. */
  readonly longChance: number;
  readonly longReadChance: number;
  /** Sectors around which most requests lie. */
  readonly hotSectors: readonly number[];
  /** Takes a free slot for its next request from inside the answer to the last. */
  readonly asksInAnswer: boolean;
}

export interface JournalTemper {
  /** Runs of one record; when there are more, only a checkpoint helps. */
  readonly runsMax: number;
  /** Room for records beyond the least. */
  readonly extraLogUnits: number;
}

export interface SectorRange {
  readonly firstSector: number;
  readonly sectorCount: number;
}

export interface Scenario {
  readonly logicalBlockBytes: 512 | 4096;
  readonly sectorCount: number;
  readonly destinationSectorCount: number;
  readonly requestSlots: number;
  readonly speed: Speed;
  /** Whether somebody pauses, resumes and changes the speed. */
  readonly isControlled: boolean;
  readonly copyStartsAfterUs: number;
  /** What lies within one wait of the engine's loop. */
  readonly turnUs: number;
  readonly consumer: ConsumerTemper;
  readonly disks: DiskTemper;
  readonly faults: FaultPlan;
  /** Null: a job that keeps none, and that nobody can go on with after a power cut. */
  readonly journal: JournalTemper | null;
  /** How often power is cut and the job goes on. */
  readonly powerCuts: number;
  /** Whole blocks that nobody relies on. */
  readonly skipped: readonly SectorRange[];
  readonly ending: Ending;
  /** Requests that are answered before an undo. */
  readonly requestsBeforeEnd: number;
  /** Whether the consumer is gone before an undo begins; otherwise it goes on beside it. */
  readonly leavesBeforeUndo: boolean;
  /** Requests that are answered, at the most, after all is back and before the consumer goes. */
  readonly requestsDuringUndo: number;
}

const blockSectors = blockBytes / sectorBytes;
const chunkSectors = chunkBlocks * blockSectors;
/** Small writes all over and long reads across them, before copying makes the flags all one. */
const patchworkChance = 0.05;
const badSourceChance = 0.15;
const spotsMax = 40;
const longSpotSectorsMax = 1024;
/** Of the time that the slowest operation of the disks takes. */
const patchworkTimes = 100;

export function drawScenario(random: Random): Scenario {
  const logicalBlockBytes = random.chance(0.7) ? 512 : 4096;
  const unit = logicalBlockBytes / sectorBytes;
  const isHuge = random.chance(0.06);
  const sectorCount = isHuge ? drawHugeSize(random, unit) : drawSize(random, unit);
  const isPatchwork = random.chance(patchworkChance);
  const hotSectors = drawHotSectors(random, sectorCount, { isHuge, isPatchwork });
  const journal = drawJournal(random);
  const disks = drawDisks(random);
  const faults = drawFaults(random, sectorCount, hotSectors);
  return {
    logicalBlockBytes,
    sectorCount,
    destinationSectorCount: sectorCount + unit * random.pick([0, 0, 1, random.low(1, 300)]),
    requestSlots: random.pick([1, 2, 4, 8, 16, requestSlotsMax]),
    speed: random.pick(speeds),
    isControlled: random.chance(0.4),
    copyStartsAfterUs: isPatchwork ? disks.longestUs * patchworkTimes : random.pick([0, 1000, random.between(0, 50_000)]),
    turnUs: random.pick([0, 5, 50]),
    consumer: drawConsumer(random, hotSectors, { diskUs: disks.longestUs, isPatchwork }),
    disks,
    faults,
    journal,
    powerCuts: journal === null ? 0 : random.pick([0, 0, 1, 1, 2, 4]),
    skipped: isHuge ? allButAround(hotSectors, sectorCount) : drawSkipped(random, sectorCount),
    // What can never be written can never cross.
    ending: faults.bad.some(isUnwritable) ? 'undo' : random.pick(['commit', 'undo']),
    requestsBeforeEnd: random.low(0, 500),
    leavesBeforeUndo: random.chance(0.2),
    requestsDuringUndo: random.low(0, 200),
  };
}

function isUnwritable({ operation }: BadSectors): boolean {
  return operation === 'write';
}

/** Down to one logical block, up to some MiB, mostly no multiple of a block of the flag map. */
function drawSize(random: Random, unit: number): number {
  const sectorsMax = random.pick([16, 128, 1024, 2048, 4096, 8192]);
  return unit * random.between(1, Math.max(1, Math.floor(sectorsMax / unit)));
}

/** Just around a multiple of what the flag map counts together. */
function drawHugeSize(random: Random, unit: number): number {
  const around = chunkSectors + random.between(-40, 200);
  return Math.floor(around / unit) * unit;
}

function drawJournal(random: Random): JournalTemper | null {
  if (random.chance(0.5)) return null;
  return { runsMax: random.pick([1, 3, 16, 300, 1000]), extraLogUnits: random.pick([1, 2, 4, 30]) };
}

interface Shape {
  readonly isHuge: boolean;
  readonly isPatchwork: boolean;
}

/** A few, so that requests overlap; or many, so that the flags are a patchwork. */
function drawHotSectors(random: Random, sectorCount: number, { isHuge, isPatchwork }: Shape): number[] {
  if (isHuge) return [0, Math.min(chunkSectors, sectorCount - 1), sectorCount - 1];
  const count = !isPatchwork && random.chance(0.75) ? random.between(1, 3) : random.between(20, 100);
  return Array.from({ length: count }, () =>
    random.chance(0.1) ? random.pick([0, sectorCount - 1]) : random.between(0, sectorCount - 1),
  );
}

interface Setting {
  readonly diskUs: number;
  readonly isPatchwork: boolean;
}

function drawConsumer(
  random: Random,
  hotSectors: readonly number[],
  { diskUs, isPatchwork }: Setting,
): ConsumerTemper {
  const longChance = isPatchwork ? 0 : random.pick([0, 0.05, 0.2]);
  return {
    mix: random.pick(Object.keys(requestMixes) as RequestMix[]),
    burstMax: random.pick([1, 2, 8, 24]),
    thinkUsMax: diskUs * random.pick([0.2, 0.5, 2, 5]),
    silenceChance: random.pick([0, 0.01, 0.05]),
    fuaChance: random.pick([0, 0.1, 0.5]),
    usualSectorsMax: isPatchwork ? blockSectors : random.pick([8, 16, 64, 256]),
    longChance,
    longReadChance: isPatchwork ? 0.2 : longChance,
    hotSectors,
    asksInAnswer: random.chance(0.2),
  };
}

function drawDisks(random: Random): DiskTemper {
  return {
    longestUs: random.pick([50, 200, 1000, 5000]),
    stallChance: random.pick([0, 0.01, 0.1]),
    stallUs: random.pick([1000, 10_000]),
  };
}

function drawFaults(random: Random, sectorCount: number, hotSectors: readonly number[]): FaultPlan {
  const chance = random.pick([0, 0, 0, 0.005, 0.05, 0.25]);
  const flushChance = random.pick([0, 0, 0, 0, 0.05, 0.3]);
  const either = (): number => (random.chance(0.5) ? chance : 0);
  const chances = {
    read: either(),
    write: either(),
    flush: flushChance,
    zeroes: either(),
    discard: either(),
  };
  const journalChance = random.pick([0, 0, 0, 0, 0, 0, 0, 0.02]);
  return {
    chances,
    journalChance,
    bad: random.chance(0.06) ? [drawBad(random, sectorCount, hotSectors)] : [],
  };
}

function drawBad(random: Random, sectorCount: number, hotSectors: readonly number[]): BadSectors {
  const firstSector = random.pick([...hotSectors, random.between(0, sectorCount - 1)]);
  return {
    disk: random.pick([source, destination]),
    operation: random.pick(['read', 'write']),
    firstSector,
    sectorCount: random.between(1, 9),
  };
}

/** A source with some bad spots, or a long one, beside whatever else is the matter. */
export function withBadSource({ sectorCount, faults }: Scenario, random: Random): FaultPlan {
  if (!random.chance(badSourceChance)) return faults;
  const spot = (sectorsMax: number): BadSectors => {
    const firstSector = random.between(0, sectorCount - 1);
    const reach = Math.max(1, Math.min(sectorsMax, sectorCount - firstSector));
    return { disk: source, operation: 'read', firstSector, sectorCount: random.between(1, reach) };
  };
  const spots = random.chance(0.4) ? [spot(longSpotSectorsMax)] : Array.from({ length: random.between(1, spotsMax) }, () => spot(2));
  return { ...faults, bad: [...faults.bad, ...spots] };
}

/** Some runs of whole blocks; the last block of a disk may be short. */
function drawSkipped(random: Random, sectorCount: number): SectorRange[] {
  const blockCount = Math.ceil(sectorCount / blockSectors);
  const count = random.pick([0, 0, 1, 4]);
  return Array.from({ length: count }, () => {
    const first = random.between(0, blockCount - 1);
    const end = Math.min(blockCount, first + random.low(1, blockCount));
    return sectorsOfBlocks(first, end, sectorCount);
  });
}

/** Copying a huge disk would take long and show nothing: only what lies near the hot sectors is in use. */
function allButAround(hotSectors: readonly number[], sectorCount: number): SectorRange[] {
  const reachBlocks = 12;
  const blockCount = Math.ceil(sectorCount / blockSectors);
  const ranges: SectorRange[] = [];
  let from = 0;
  for (const sector of hotSectors) {
    const block = Math.floor(sector / blockSectors);
    if (block - reachBlocks > from) ranges.push(sectorsOfBlocks(from, block - reachBlocks, sectorCount));
    from = Math.max(from, block + reachBlocks);
  }
  if (from < blockCount) ranges.push(sectorsOfBlocks(from, blockCount, sectorCount));
  return ranges;
}

function sectorsOfBlocks(first: number, end: number, sectorCount: number): SectorRange {
  const firstSector = first * blockSectors;
  return { firstSector, sectorCount: Math.min(end * blockSectors, sectorCount) - firstSector };
}

export function describeScenario(scenario: Scenario): string {
  const { sectorCount, destinationSectorCount, logicalBlockBytes, requestSlots, speed, consumer, ending } =
    scenario;
  const { journal, powerCuts } = scenario;
  return [
    `${sectorCount} sectors in logical blocks of ${logicalBlockBytes} bytes, destination ${destinationSectorCount}`,
    `${requestSlots} requests at once, ${consumer.mix}, speed ${speed}, ending: ${ending}`,
    journal === null
      ? 'no journal'
      : `at most ${powerCuts} power cuts, records of ${journal.runsMax} runs, ` +
        `${journal.extraLogUnits} more units in each log`,
  ].join('; ');
}
