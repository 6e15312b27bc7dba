/**
 * One simulated job from its beginning to its end: an engine between a consumer and two disks, and somebody
 * at the controls. Now and then power is really cut, at any step: what the three disks then hold is all that
 * is left, and a new engine goes on from what recovery makes of the journal.
 *
 * Commit: everything has crossed, the consumer leaves, the destination is flushed; then power is cut, and the
 * destination alone must hold everything (invariant 8). Undo: at any moment, or when copying or a flush has
 * failed, what was written goes back, and the same must hold of the source (invariants 5, 6). The consumer
 * mostly goes on meanwhile: each time that everything is said to be back, the source must hold what was
 * acknowledged by then; and when the consumer is held at last, everything. Meanwhile, now and then: if power
 * were cut now, the job could go on with what was flushed (invariants 2, 3), and once everything is back and
 * no disk has failed since, the source alone would have it. In some worlds what has crossed goes direct now
 * and then, until an undo takes that back first. What can never be read somebody does without now and then: it
 * becomes zeroes, or after an undo is left out of what is compared; everything else must be there.
 */
import { present } from '../../app/base/error.ts';
import { blockBytes, sectorBytes } from '../../app/base/units.ts';
import { SpanCheck } from '../../app/copy/span-check.ts';
import type { VerifyResult } from '../../app/copy/verify-loop.ts';
import type { WantedMask } from '../../app/engine/mask-change.ts';
import { destination, source } from '../../app/devices/disk-io.ts';
import type { UndoEnd, UndoFailure } from '../../app/engine/undo.ts';
import type { VerifyEnd } from '../../app/engine/verification.ts';
import { FlagMap } from '../../app/flags/flag-map.ts';
import type { UnreadableBlocks } from '../../app/flags/unreadable-blocks.ts';
import type { JobPhase } from '../../app/journal/job-phase.ts';
import { jobPhases } from '../../app/journal/job-phase.ts';
import type { JournalIdentity } from '../../app/journal/layout.ts';
import { layoutOf } from '../../app/journal/layout.ts';
import { firstHeader, newJournalPosition } from '../../app/journal/new-journal.ts';
import type { JournalReader, RecoveredJournal } from '../../app/journal/recovery.ts';
import { countAllAsWritten, recoverJournal } from '../../app/journal/recovery.ts';
import { Consumer } from './consumer.ts';
import type { FaultPlan } from './faults.ts';
import { Faults } from './faults.ts';
import { History } from './history.ts';
import { Model } from './model.ts';
import { Operator } from './operator.ts';
import { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario, withBadSource } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { SimDisk } from './sim-disk.ts';
import { SimDiskIo } from './sim-disk-io.ts';
import { SimEngine, logBytesOf } from './sim-engine.ts';
import { SimGuard } from './sim-guard.ts';
import { SimJournal } from './sim-journal.ts';
import { SimMapper } from './sim-mapper.ts';
import type { SimPool } from './sim-pool.ts';
import { garbageStamp, originalStamp } from './stamps.ts';
import { Violation } from './violation.ts';

/** Turns after which something that must happen has not. */
const turnsMax = 100_000;
/** How often somebody tries again what failed. */
const triesMax = 3;
/** Turns of an undo after which somebody wants it as fast as can be. */
const patientTurns = 10_000;
const betweenPowerCutsUsMax = 50_000;
const betweenGraduationsUsMax = 20_000;
const suspendPollUs = 100;
const graduatesChance = 0.5;
const requestsAroundCommit = 60;
/** What is drawn for the guard does not depend on, or change, what is drawn for anything else. */
const guardSeed = 0x2c1b3c6d;
const acceptsChance = 0.5;
/** Far from the seeds of worlds, so that these draws are of their own. */
const decisionSeeds = 1_000_000_007;
const badSourceSeeds = 2_000_000_011;

/** How long at most until power is cut. */
const untilPowerCutUsMax = 100_000;
const blockSectors = blockBytes / sectorBytes;
const takesHashesChance = 0.7;
const verifiesChance = 0.5;
/** Of the verifications beside the consumer, those that are given up for an undo. */
const givesUpChance = 0.2;
const garblesChance = 0.5;
/** Blocks of the destination that go bad before the last verification. */
const rottenBlocksMax = 5;

/** Not a fault of anybody's: ends what was going on. */
class PowerCut extends Error {}

export type Outcome = 'committed' | 'undone' | 'not undone';

export class World {
  readonly scenario: Scenario;
  readonly #random: Random;
  readonly #pool: SimPool;
  readonly #scheduler = new Scheduler();
  readonly #source: SimDisk;
  readonly #destination: SimDisk;
  readonly #guard: SimGuard;
  readonly #journalStore: SimJournal;
  readonly #identity: JournalIdentity;
  readonly #faults: Faults;
  readonly #model: Model;
  // What a power cut ends.
  #io!: SimDiskIo;
  #engine!: SimEngine;
  #operator!: Operator;
  #mapper!: SimMapper;
  #consumer!: Consumer;
  #violation: Violation | undefined;
  #history: History | undefined;
  #wasFlagged = false;
  #powerCuts = 0;
  readonly #graduationRandom: Random;
  readonly #verifyRandom: Random;
  readonly #takesHashes: boolean;
  readonly #guardRandom: Random;
  readonly #decisionRandom: Random;
  /** Sectors that the destination could not deliver when an undo went on without them. */
  readonly #lost = new Set<number>();
  #mayGraduate: boolean;
  #isGraduating = false;
  /** When everything was back on the source, as `#faultsSeen`; undefined while it is not. */
  #faultsWhenReturned: string | undefined;
  #realPowerCuts = 0;
  #requestsBefore = 0;
  #isUndoing = false;
  /** What power cuts have left for the next engine. */
  #left: RecoveredJournal | undefined;
  /** The destination has gone bad: until that is repaired power is not cut. */
  #isRotten = false;

  /** @param pool of `simPoolBytes`, used by no other world meanwhile */
  constructor(seed: number, pool: SimPool) {
    const random = new Random(seed);
    const scheduler = this.#scheduler;
    const scenario = drawScenario(random);
    const { sectorCount } = scenario;
    this.scenario = scenario;
    this.#random = random;
    this.#pool = pool;
    this.#graduationRandom = new Random(~seed);
    this.#guardRandom = new Random(seed ^ guardSeed);
    this.#mayGraduate = neverFailsToWrite(scenario.faults) && this.#graduationRandom.chance(graduatesChance);
    // What is direct goes past the masking; the real tables leave those blocks out.
    const { hotSectors } = scenario.consumer;
    this.#guard = this.#mayGraduate
      ? new SimGuard(sectorCount, [])
      : SimGuard.draw(this.#guardRandom, sectorCount, hotSectors);
    const guarded = (sector: number): number => this.#guard.masked(sector, originalStamp(sector));
    this.#source = new SimDisk(sectorCount, random, guarded);
    this.#destination = new SimDisk(scenario.destinationSectorCount, random, garbageStamp);
    this.#faults = new Faults(withBadSource(scenario, new Random(seed + badSourceSeeds)), random);
    this.#model = new Model(sectorCount);
    this.#verifyRandom = new Random(seed ^ 0x5bd1e995);
    this.#takesHashes = this.#verifyRandom.chance(takesHashesChance);
    this.#decisionRandom = new Random(seed + decisionSeeds);
    this.#identity = identityOf(sectorCount);
    const logBytes = logBytesOf(scenario);
    const { journalBytes } = layoutOf(this.#identity.sizeBytes, logBytes);
    const shared = { pool, scheduler, random, faults: this.#faults, temper: scenario.disks };
    this.#journalStore = new SimJournal(journalBytes, firstHeader(this.#identity, logBytes), shared);
    const blockCount = Math.ceil(sectorCount / blockSectors);
    const maps = { flags: new FlagMap(blockCount), written: new FlagMap(blockCount) };
    this.#startEngine({ ...maps, phase: jobPhases.copying, position: newJournalPosition });
  }

  #startEngine(start: Omit<RecoveredJournal, 'kind'>): void {
    const { scenario } = this;
    const pool = this.#pool;
    const random = this.#random;
    const scheduler = this.#scheduler;
    const { sectorCount, logicalBlockBytes } = scenario;
    const report = (violation: Violation): void => void (this.#violation ??= violation);
    pool.startOver();
    const shared = { logicalBlockBytes, pool, scheduler, random, faults: this.#faults, report };
    const guard = this.#guard;
    const disks = { source: this.#source, destination: this.#destination, temper: scenario.disks, guard };
    this.#io = new SimDiskIo({ ...shared, ...disks });
    const journal = { journalStore: this.#journalStore, identity: this.#identity };
    const surroundings = { guard, faults: this.#faults, scheduler, takesHashes: this.#takesHashes };
    this.#engine = new SimEngine({ scenario, pool, io: this.#io, start, ...surroundings, ...journal });
    this.#operator = new Operator({ engine: this.#engine, io: this.#io, scheduler, random });
    const { requests, router } = this.#engine;
    this.#mapper = new SimMapper({ requests, router, io: this.#io, logicalBlockBytes });
    const asked = {
      temper: scenario.consumer,
      sectorCount,
      requests,
      handler: this.#mapper,
      model: this.#model,
    };
    this.#consumer = new Consumer({ ...shared, ...asked, boundary: () => this.#mapper.directSectors });
    router.connect(this.#mapper);
    this.#mapper.connect(this.#consumer);
    this.#isGraduating = false;
    this.#isUndoing = start.phase === jobPhases.undoing;
    this.#shareHistory();
  }

  get requestCount(): number {
    return this.#requestsBefore + this.#consumer.answered;
  }

  get powerCutCount(): number {
    return this.#powerCuts;
  }

  /** How many of them the job had to go on from. */
  get recoveryCount(): number {
    return this.#realPowerCuts;
  }

  /** Simulated time. */
  get nowMs(): number {
    return this.#scheduler.nowUs / 1000;
  }

  /** Keeps the history of a block from now on; that changes nothing of what happens. */
  keepHistory(block: number): History {
    const history = new History(block, () => this.#scheduler.nowUs);
    this.#history = history;
    this.#shareHistory();
    return history;
  }

  #shareHistory(): void {
    this.#io.history = this.#history;
    this.#consumer.history = this.#history;
  }

  /** Plays the job to its end. Throws a Violation for the first broken promise. */
  run(): Outcome {
    for (const range of this.scenario.skipped) this.#skip(range.firstSector, range.sectorCount);
    for (;;) {
      try {
        return this.#runUntilPowerCut();
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        const left = present(this.#left, 'what the power cut has left');
        if (left.phase === jobPhases.undone) return this.#finishOnSource();
        this.#goOn(left);
      }
    }
  }

  #runUntilPowerCut(): Outcome {
    this.#operator.begin(this.scenario.copyStartsAfterUs, this.scenario.isControlled);
    this.#consumer.start();
    this.#lookAheadLater();
    this.#graduateLater();
    if (this.#realPowerCuts < this.scenario.powerCuts) this.#cutPowerLater();
    if (this.#isUndoing) return this.#undo();
    if (this.scenario.ending === 'commit') return this.#commit();
    this.#serve(this.scenario.requestsBeforeEnd);
    return this.#undo();
  }

  // ---- endings

  #commit(): Outcome {
    if (!this.#isSynchronized()) return this.#undo();
    this.#serve(this.#random.low(0, requestsAroundCommit));
    this.#endGraduation();
    const verifies = this.#verifyRandom.chance(verifiesChance);
    if (verifies && !this.#isVerifiedBesideConsumer()) return this.#undo();
    // With device-mapper the consumer goes on over the commit, and leaves only then.
    const staysOn = !verifies && this.#guardRandom.chance(0.5);
    if (!staysOn) this.#letConsumerGo();
    if (verifies) this.#verifyWhatIsRotten();
    if (this.#flushDestination() < 0) return this.#undo();
    if (this.#changeMask({ disk: destination, isMasked: false }) < 0) return this.#undo();
    if (staysOn) {
      this.#serve(this.#random.low(0, requestsAroundCommit));
      this.#letConsumerGo();
      // Committed already: from here there is no way back, and whose flush has failed was told.
      if (this.#flushDestination() < 0) return 'not undone';
    }
    this.#checkPlace(this.#destination, this.#model.tick(), 'the committed disk lost something');
    this.#checkIdentities({ shown: this.#destination, hidden: this.#source });
    return 'committed';
  }

  /** Nothing is found wrong but what reads or a disk got wrong meanwhile. False when it is given up. */
  #isVerifiedBesideConsumer(): boolean {
    const random = this.#verifyRandom;
    const garbles = random.chance(garblesChance);
    if (garbles) this.#io.garbleReads(random, (client) => client instanceof SpanCheck);
    const [faultsBefore, enough] = [this.#faults.count, this.#consumer.answered + random.low(0, 30)];
    if (random.chance(givesUpChance)) {
      this.#engine.verification.start();
      this.#runUntil('a verification is given up', () => this.#consumer.answered >= enough);
      this.#engine.verification.stop();
      return false;
    }
    const result = this.#verify();
    const isUndisturbed = !garbles && this.#faults.count === faultsBefore;
    if (isUndisturbed && result !== undefined && result.repairedBytes + result.failedBytes > 0)
      throw new Violation('a verification beside the consumer finds what is not wrong');
    this.#io.garbleReads(random, () => false);
    return true;
  }

  /** The consumer has gone: a few copied blocks go bad, and all of them are found and repaired. */
  #verifyWhatIsRotten(): void {
    const { map } = this.#engine.copied;
    const rotten = new Set<number>();
    for (let count = this.#verifyRandom.between(0, rottenBlocksMax); count > 0; count -= 1) {
      const block = map.nextSet(this.#verifyRandom.between(0, map.blockCount - 1));
      if (block < map.blockCount) rotten.add(block);
    }
    this.#isRotten = true;
    for (const block of rotten) this.#rot(block);
    const faultsBefore = this.#faults.count;
    const result = this.#verify();
    this.#isRotten = false;
    if (result === undefined || this.#faults.count > faultsBefore) {
      this.#repairUntilRight(rotten);
      return;
    }
    const { sectorCount } = this.scenario;
    const bytesOf = (blocks: number): number => Math.min(blocks * blockBytes, sectorCount * sectorBytes);
    if (result.repairedBytes !== bytesOf(rotten.size) || result.failedBytes > 0)
      throw new Violation('a verification misses what is rotten');
    if (result.checkedBytes !== bytesOf(map.setCount)) throw new Violation('a verification misses blocks');
  }

  /** One sector of the block. */
  #rot(block: number): void {
    const first = block * blockSectors;
    const last = Math.min(first + blockSectors, this.scenario.sectorCount) - 1;
    const sector = this.#verifyRandom.between(first, last);
    this.#history?.note(sector, 1, 'world', 'rots');
    this.#destination.write(sector, Uint32Array.of(garbageStamp(sector)), true);
  }

  /** Disks that fail may keep a verification from repairing: that is no fault of anybody's here. */
  #repairUntilRight(rotten: ReadonlySet<number>): void {
    for (const block of rotten) {
      for (let sector = block * blockSectors; sector < (block + 1) * blockSectors; sector += 1) {
        if (sector < this.scenario.sectorCount)
          this.#destination.write(sector, Uint32Array.of(this.#source.stampOf(sector)), true);
      }
    }
  }

  /** Undefined when the flush before it has failed. */
  #verify(): VerifyResult | undefined {
    const { verification } = this.#engine;
    verification.start();
    let end: VerifyEnd | undefined;
    this.#runUntil('a verification ends', () => {
      end = verification.takeEnd();
      return end !== undefined;
    });
    if (end?.kind === 'verified') return end.result;
    if (end?.errno === 0) throw new Violation(`a verification broke: ${end.message}`);
    return undefined;
  }

  /** Invariant 11: the consumer never stops meanwhile. Copying that failed may be tried again. */
  #isSynchronized(): boolean {
    const { copy } = this.#engine;
    for (let tries = 0; tries < triesMax && copy.state !== 'complete'; tries += 1) {
      if (copy.state === 'failed') this.#decide();
      this.#runUntil('copying ends', () => copy.state === 'complete' || copy.state === 'failed');
    }
    return copy.state === 'complete';
  }

  /** What a person may say when copying has failed. */
  #decide(): void {
    const { copy, unreadable } = this.#engine;
    if (copy.failure?.operation !== 'the last reads' || !this.#decisionRandom.chance(acceptsChance)) {
      this.#operator.resume();
      return;
    }
    this.#eachSector(unreadable, (sector) => void this.#model.begin('write zeroes', sector, 1, false));
    copy.acceptUnreadable();
  }

  #eachSector(unreadable: UnreadableBlocks, take: (sector: number) => void): void {
    const { extents, extentCount } = unreadable.list(this.scenario.sectorCount * sectorBytes);
    if (extents.length < extentCount) throw new Violation('more is unreadable than this world knows how to follow');
    for (const { offsetBytes, lengthBytes } of extents) {
      for (let done = 0; done < lengthBytes; done += sectorBytes) take((offsetBytes + done) / sectorBytes);
    }
  }

  #undo(): Outcome {
    this.#operator.leave();
    this.#endGraduation();
    // A change of tables would leave nothing under way at the moment when undo begins.
    if (this.#mapper.directSectors > 0) this.#goDirectTo(0);
    this.#runUntil('nothing is direct any more', () => !this.#isGraduating);
    if (this.#enter(jobPhases.undoing) < 0) return 'not undone';
    this.#io.allowWritesToSource();
    // A commit that has failed may have begun to show it.
    if (this.#changeMask({ disk: destination, isMasked: true }) < 0) return 'not undone';
    const { leavesBeforeUndo, requestsDuringUndo } = this.scenario;
    if (leavesBeforeUndo) this.#letConsumerGo();
    const isHeld = this.#guardRandom.chance(0.5);
    for (let tries = 0; tries < triesMax; tries += 1) {
      if (!this.#isReturned()) continue;
      if (isHeld) {
        this.#letConsumerGo();
        if (this.#isReturned() && this.#isSourceShown()) return this.#undone();
        if (!leavesBeforeUndo) this.#consumer.start();
        continue;
      }
      if (this.#changeMask({ disk: source, isMasked: false }) < 0) continue;
      if (!this.#consumer.isStopped) this.#serve(this.#random.low(0, requestsDuringUndo));
      this.#letConsumerGo();
      if (this.#isReturned()) return this.#undone();
      if (!leavesBeforeUndo) this.#consumer.start();
    }
    return 'not undone';
  }

  #undone(): Outcome {
    this.#checkPlace(this.#source, this.#model.tick(), 'the undone disk lost something');
    this.#checkIdentities({ shown: this.#source, hidden: this.#destination });
    return 'undone';
  }

  /**
   * The journal says that the source is the truth, then it shows. When that fails the journal takes it back, because
   * the consumer goes on and the source may refuse what he writes (migration/appearance.ts).
   */
  #isSourceShown(): boolean {
    if (this.#enter(jobPhases.undone) < 0) return false;
    if (this.#changeMask({ disk: source, isMasked: false }) === 0) return true;
    this.#changeMask({ disk: source, isMasked: true, skipsUnreadable: true });
    this.#enter(jobPhases.undoing);
    return false;
  }

  /** As recover does when the journal says that the source is the truth: only the mask is left to be changed. */
  #finishOnSource(): Outcome {
    this.#guard.unmaskDisk(this.#source);
    return this.#undone();
  }

  /**
   * What had been answered before the last flush began is on the source, whatever happens to it from now on.
   */
  #isReturned(): boolean {
    const { undo } = this.#engine;
    let end: UndoEnd | undefined;
    let beganAt = this.#model.tick();
    let faultsAtLast = this.#faultsSeen;
    undo.start();
    this.#faultsWhenReturned = undefined;
    let turns = 0;
    this.#runUntil('undo ends', () => {
      turns += 1;
      if (turns === patientTurns) this.#engine.setSpeed('full');
      if (undo.isReturning) {
        beganAt = this.#model.tick();
        faultsAtLast = this.#faultsSeen;
      }
      end = undo.takeEnd();
      return end !== undefined;
    });
    if (end?.kind === 'return-failed') {
      this.#checkFailure(end.failure);
      this.#mayAcceptLoss(end.failure);
      return false;
    }
    this.#checkPlace(this.#source, beganAt, 'the source lacks what is said to be back');
    // What the source has refused, of a write under way, is not there whatever happens from now on.
    this.#faultsWhenReturned = this.#consumer.mayBeFailing ? undefined : faultsAtLast;
    return true;
  }

  /** The next try goes on without what the destination cannot deliver. */
  #mayAcceptLoss({ operation }: UndoFailure): void {
    const { undo } = this.#engine;
    if (operation !== 'the last reads' || !this.#decisionRandom.chance(acceptsChance)) return;
    this.#eachSector(undo.unreadable, (sector) => void this.#lost.add(sector));
    undo.acceptUnreadable();
  }

  #flushDestination(): number {
    return this.#answerTo((done) => this.#engine.router.flushDestination(done));
  }

  #enter(phase: JobPhase): number {
    return this.#answerTo((done) => this.#engine.enter(phase, done));
  }

  #changeMask(wanted: WantedMask): number {
    return this.#answerTo((done) => this.#engine.changeMask(wanted, done));
  }

  #letConsumerGo(): void {
    const { copy, ranges, requests } = this.#engine;
    this.#consumer.stop();
    this.#runUntil('every request is answered', () => this.#consumer.inFlight === 0);
    if (requests.freeCount !== requests.capacity) throw new Violation('a request slot was lost');
    this.#runUntil('pieces under way end', () => copy.isIdle);
    if (ranges.count > 0) throw new Violation('blocks stay claimed when nothing is under way');
  }

  // ---- turns

  /** Lets the consumer have so many more answers. */
  #serve(requests: number): void {
    const enough = this.#consumer.answered + requests;
    this.#runUntil('requests are answered', () => this.#consumer.answered >= enough);
  }

  #answerTo(start: (done: (result: number) => void) => void): number {
    let answer: number | undefined;
    start((result) => void (answer = result));
    this.#runUntil('the flush ends', () => answer !== undefined);
    return present(answer, 'the answer to the flush');
  }

  #runUntil(what: string, isSo: () => boolean): void {
    for (let turns = 0; !isSo(); turns += 1) {
      if (turns > turnsMax) throw new Violation(`it never comes that ${what}`);
      this.#engine.turn();
      if (this.#left !== undefined) throw new PowerCut();
      if (this.#history !== undefined) this.#noteFlag(this.#history);
      if (this.#violation !== undefined) throw this.#violation;
      this.#checkFailure(this.#engine.copy.failure);
      this.#operator.check();
    }
  }

  #noteFlag(history: History): void {
    const isFlagged = this.#engine.flags.isSet(history.block);
    if (isFlagged !== this.#wasFlagged) history.noteAll('flags', `block ${history.block} is flagged`);
    this.#wasFlagged = isFlagged;
  }

  // ---- what else happens, and what must hold

  /** As if these sectors had been discarded before. */
  #skip(firstSector: number, sectorCount: number): void {
    this.#engine.skip({ firstSector, sectorCount });
    this.#model.done(this.#model.begin('discard', firstSector, sectorCount, false));
  }

  #graduateLater(): void {
    this.#scheduler.after(this.#graduationRandom.low(0, betweenGraduationsUsMax), () => {
      if (!this.#mayGraduate) return;
      this.#isGraduating = true;
      this.#engine.graduate((lengthBytes) => this.#goDirectTo(lengthBytes / sectorBytes));
    });
  }

  /** The consumer's device is suspended, its table changed, and it goes on. */
  #goDirectTo(sectors: number): void {
    this.#isGraduating = true;
    this.#consumer.hold();
    if (this.#consumer.inFlight > 0) {
      this.#scheduler.after(suspendPollUs, () => this.#goDirectTo(sectors));
      return;
    }
    this.#mapper.directSectors = sectors;
    this.#consumer.goOn();
    this.#isGraduating = false;
    this.#graduateLater();
  }

  #endGraduation(): void {
    this.#mayGraduate = false;
    this.#runUntil('tables have changed', () => !this.#isGraduating);
  }

  /** If power were cut now. */
  #lookAheadLater(): void {
    this.#scheduler.after(this.#random.low(0, betweenPowerCutsUsMax), () => {
      this.#powerCuts += 1;
      this.#checkIfCutNow();
      this.#lookAheadLater();
    });
  }

  /** A fault is counted when its operation starts; one that had started by then shows as a refusal. */
  get #faultsSeen(): string {
    return `${this.#faults.count} ${this.#engine.router.mirror.refusals}`;
  }

  #checkIfCutNow(): void {
    if (this.#isRotten) return;
    const source = this.#source.leftByPowerCut();
    const destination = this.#destination.leftByPowerCut();
    this.#reporting(() => {
      this.#unmaskLeft(source, destination);
      if (this.scenario.journal === null) this.#checkFlushed(destination);
      else this.#checkLeft(source, destination, this.#recovered(this.#journalStore.leftByPowerCut()));
      if (this.#faultsSeen !== this.#faultsWhenReturned) return;
      for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
        if (this.#lost.has(sector)) continue;
        this.#model.checkDurable(
          sector,
          source[sector] as number,
          'a power cut loses on the source what was flushed',
        );
      }
    });
  }

  #cutPowerLater(): void {
    this.#scheduler.after(this.#random.low(0, untilPowerCutUsMax), () => {
      if (this.#isRotten) {
        this.#cutPowerLater();
        return;
      }
      this.#powerCuts += 1;
      this.#realPowerCuts += 1;
      this.#history?.noteAll('power', 'is cut');
      this.#scheduler.forget();
      const source = this.#source.cutPower();
      const destination = this.#destination.cutPower();
      this.#reporting(() => {
        this.#unmaskLeft(source, destination);
        const left = this.#recovered(this.#journalStore.cutPower());
        this.#checkLeft(source, destination, left);
        this.#settle(source, destination, left);
        this.#left = left;
      });
    });
  }

  /** In an event nobody catches a violation. */
  #reporting(check: () => void): void {
    try {
      check();
    } catch (violation) {
      if (!(violation instanceof Violation)) throw violation;
      this.#violation ??= violation;
    }
  }

  #goOn(left: RecoveredJournal): void {
    this.#left = undefined;
    this.#faultsWhenReturned = undefined;
    this.#requestsBefore += this.#consumer.answered;
    countAllAsWritten(left);
    this.#guard.maskDisk(this.#source);
    this.#guard.maskDisk(this.#destination);
    this.#startEngine(left);
  }

  /** A power cut is no damage: recovery must be able to go on. */
  #recovered(reader: JournalReader): RecoveredJournal {
    const result = recoverJournal(reader, this.#identity);
    if (result.kind === 'refused')
      throw new Violation(`after a power cut the journal is refused: ${result.reason}`);
    const phases: readonly JobPhase[] = [jobPhases.undoing, jobPhases.undone];
    const isDeclared = !this.#io.isSourceWritten || phases.includes(result.phase);
    if (!isDeclared) throw new Violation('the source was written before the journal said so');
    return result;
  }

  /** Without a journal the destination at least has what was flushed. */
  #checkFlushed(destination: Uint32Array): void {
    for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
      this.#model.checkFlushed(sector, destination[sector] as number, 'a power cut loses what was flushed');
    }
  }

  #checkLeft(source: Uint32Array, destination: Uint32Array, left: RecoveredJournal): void {
    for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
      if (left.phase === jobPhases.undone && this.#lost.has(sector)) continue;
      const disk = isOnDestination(left, sector) ? destination : source;
      this.#model.checkDurable(sector, disk[sector] as number, 'a power cut loses what was flushed');
    }
  }

  #settle(source: Uint32Array, destination: Uint32Array, left: RecoveredJournal): void {
    for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
      const disk = isOnDestination(left, sector) ? destination : source;
      this.#model.settle(sector, disk[sector] as number);
    }
  }

  /** After a power cut the disk has what was answered before that time of the model, or something later. */
  #checkPlace(disk: SimDisk, time: number, what: string): void {
    const left = this.#guard.unmask(disk.leftByPowerCut());
    for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
      if (disk === this.#source && this.#lost.has(sector)) continue;
      this.#model.checkSeen(sector, left[sector] as number, time, what);
    }
  }

  /** Bad blocks keep nothing else from crossing. */
  #checkRest(): void {
    const { copy, flags, unreadable } = this.#engine;
    if (copy.state === 'failed' && flags.clearCount !== unreadable.count)
      throw new Violation('copying gave up blocks that are not known to be unreadable');
  }

  /** Invariant 7; then what the disks hold is what their users would be shown. */
  #unmaskLeft(source: Uint32Array, destination: Uint32Array): void {
    if (this.#guard.showsIdentity(source) && this.#guard.showsIdentity(destination))
      throw new Violation(
        'a power cut leaves two disks with the same identity',
        this.#guard.findIdentity(destination),
      );
    this.#guard.unmask(source);
    this.#guard.unmask(destination);
  }

  /** At the end exactly one disk is known, and it holds nothing that is still masked. */
  #checkIdentities({ shown, hidden }: { readonly shown: SimDisk; readonly hidden: SimDisk }): void {
    const at = this.#guard.findIdentity(hidden.leftByPowerCut());
    if (at !== undefined)
      throw new Violation('the other disk is known as well', at);
    const left = shown.leftByPowerCut();
    const found = left.slice();
    const maskedAt = this.#guard.unmask(left).findIndex((stamp, sector) => stamp !== found[sector]);
    if (maskedAt >= 0) throw new Violation('the disk is masked still', maskedAt);
  }

  #checkFailure(failure: UndoFailure | undefined): void {
    if (failure?.operation === 'bug') throw new Violation(`a copy loop broke: ${failure.message}`);
    if (failure !== undefined && this.#faults.count === 0)
      throw new Violation('copying failed for no reason');
    if (failure?.operation === 'the last reads') this.#checkRest();
  }
}

function isOnDestination({ flags, phase }: RecoveredJournal, sector: number): boolean {
  return phase !== jobPhases.undone && flags.isSet(Math.floor(sector / blockSectors));
}

/** What a direct flush may lose only the consumer hears of. */
function neverFailsToWrite({ chances, bad }: FaultPlan): boolean {
  return chances.flush + chances.write + chances.zeroes === 0 && bad.length === 0;
}

function identityOf(sectorCount: number): JournalIdentity {
  const disk = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  return {
    job: new Uint8Array(16).fill(7),
    source: disk(1),
    destination: disk(2),
    sizeBytes: sectorCount * sectorBytes,
  };
}
