/**
 * One simulated job from its beginning to its end: an engine between a consumer and two disks, and somebody
 * at the controls.
 *
 * Commit: everything has crossed, the consumer leaves, the destination is flushed; then power is cut, and the
 * destination alone must hold everything (invariant 8). Undo: at any moment, or when copying or a flush has
 * failed, what was written goes back, and the same must hold of the source (invariants 5, 6). Meanwhile, now
 * and then: if power were cut now, what was flushed must be there (invariant 2).
 */
import { present } from '../../app/base/error.ts';
import type { CopyLoop } from '../../app/copy/copy-loop.ts';
import { Consumer } from './consumer.ts';
import { Faults } from './faults.ts';
import { History } from './history.ts';
import { Model } from './model.ts';
import { Operator } from './operator.ts';
import { Random } from './random.ts';
import type { Scenario } from './scenario.ts';
import { drawScenario } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { SimDisk } from './sim-disk.ts';
import { SimDiskIo } from './sim-disk-io.ts';
import { SimEngine } from './sim-engine.ts';
import type { SimPool } from './sim-pool.ts';
import { garbageStamp, originalStamp } from './stamps.ts';
import { Violation } from './violation.ts';

/** Turns after which something that must happen has not. */
const turnsMax = 100_000;
/** How often somebody tries again what failed. */
const triesMax = 3;
const betweenPowerCutsUsMax = 50_000;

export type Outcome = 'committed' | 'undone' | 'not undone';

export class World {
  readonly scenario: Scenario;
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #source: SimDisk;
  readonly #destination: SimDisk;
  readonly #faults: Faults;
  readonly #io: SimDiskIo;
  readonly #engine: SimEngine;
  readonly #operator: Operator;
  readonly #model: Model;
  readonly #consumer: Consumer;
  #violation: Violation | undefined;
  #history: History | undefined;
  #wasFlagged = false;
  #powerCuts = 0;

  /** @param pool of `simPoolBytes`, used by no other world meanwhile */
  constructor(seed: number, pool: SimPool) {
    const random = new Random(seed);
    const scheduler = this.#scheduler;
    const scenario = drawScenario(random);
    const { sectorCount, logicalBlockBytes } = scenario;
    const report = (violation: Violation): void => void (this.#violation ??= violation);
    pool.startOver();
    this.scenario = scenario;
    this.#random = random;
    this.#source = new SimDisk(sectorCount, random, originalStamp);
    this.#destination = new SimDisk(scenario.destinationSectorCount, random, garbageStamp);
    this.#faults = new Faults(scenario.faults, random);
    const shared = { logicalBlockBytes, pool, scheduler, random, faults: this.#faults, report };
    const disks = { source: this.#source, destination: this.#destination, temper: scenario.disks };
    this.#io = new SimDiskIo({ ...shared, ...disks });
    this.#engine = new SimEngine({ scenario, pool, io: this.#io, scheduler });
    this.#operator = new Operator({ engine: this.#engine, io: this.#io, scheduler, random });
    this.#model = new Model(sectorCount);
    const { requests, router } = this.#engine;
    const asked = { temper: scenario.consumer, sectorCount, requests, handler: router, model: this.#model };
    this.#consumer = new Consumer({ ...shared, ...asked });
    router.connect(this.#consumer);
  }

  get requestCount(): number {
    return this.#consumer.answered;
  }

  get powerCutCount(): number {
    return this.#powerCuts;
  }

  /** Simulated time. */
  get nowMs(): number {
    return this.#scheduler.nowUs / 1000;
  }

  /** Keeps the history of a block from now on; that changes nothing of what happens. */
  keepHistory(block: number): History {
    const history = new History(block, () => this.#scheduler.nowUs);
    this.#history = history;
    this.#io.history = history;
    this.#consumer.history = history;
    return history;
  }

  /** Plays the job to its end. Throws a Violation for the first broken promise. */
  run(): Outcome {
    for (const range of this.scenario.skipped) this.#skip(range.firstSector, range.sectorCount);
    this.#operator.begin(this.scenario.copyStartsAfterUs, this.scenario.isControlled);
    this.#consumer.start();
    this.#cutPowerLater();
    if (this.scenario.ending === 'commit') return this.#commit();
    this.#serve(this.scenario.requestsBeforeEnd);
    return this.#undo();
  }

  // ---- endings

  #commit(): Outcome {
    if (!this.#isSynchronized()) return this.#undo();
    this.#serve(this.#random.low(0, 60));
    this.#letConsumerGo();
    if (this.#answerTo((done) => this.#engine.router.flushDestination(done)) < 0) return this.#undo();
    this.#checkWhole(this.#destination, 'committed');
    return 'committed';
  }

  /** Invariant 11: the consumer never stops meanwhile. Copying that failed may be tried again. */
  #isSynchronized(): boolean {
    const { copy } = this.#engine;
    for (let tries = 0; tries < triesMax && copy.state !== 'complete'; tries += 1) {
      if (copy.state === 'failed') this.#operator.resume();
      this.#runUntil('copying ends', () => copy.state === 'complete' || copy.state === 'failed');
    }
    return copy.state === 'complete';
  }

  #undo(): Outcome {
    this.#operator.leave();
    this.#letConsumerGo();
    this.#io.allowWritesToSource();
    for (let tries = 0; tries < triesMax; tries += 1) {
      if (!this.#hasReturned()) continue;
      this.#checkWhole(this.#source, 'undone');
      return 'undone';
    }
    return 'not undone';
  }

  #hasReturned(): boolean {
    const loop = this.#engine.startReturn();
    this.#runUntil('what was written goes back', () => {
      this.#checkCopyLoop(loop);
      return loop.state !== 'running' && loop.isIdle;
    });
    return loop.state === 'complete' && this.#answerTo((done) => this.#engine.flushSource(done)) === 0;
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
      if (this.#history !== undefined) this.#noteFlag(this.#history);
      if (this.#violation !== undefined) throw this.#violation;
      this.#checkCopyLoop(this.#engine.copy);
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

  #cutPowerLater(): void {
    this.#scheduler.after(this.#random.low(0, betweenPowerCutsUsMax), () => {
      const left = this.#destination.leftByPowerCut();
      this.#powerCuts += 1;
      for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
        this.#model.checkDurable(sector, left[sector] as number, 'a power cut would lose what was flushed');
      }
      this.#cutPowerLater();
    });
  }

  #checkWhole(disk: SimDisk, how: string): void {
    const left = disk.leftByPowerCut();
    const now = this.#model.tick();
    for (let sector = 0; sector < this.scenario.sectorCount; sector += 1) {
      this.#model.checkSeen(sector, left[sector] as number, now, `the ${how} disk lost something`);
    }
  }

  #checkCopyLoop({ failure }: CopyLoop): void {
    if (failure?.operation === 'bug') throw new Violation(`a copy loop broke: ${failure.message}`);
    if (failure !== undefined && this.#faults.count === 0) throw new Violation('copying failed for no reason');
  }
}
