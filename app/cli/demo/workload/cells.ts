/**
 * The memory that the workload's threads share: whether they shall run, in which phase, who of them does, and
 * how long their operations took. Written by one each: the wish by the main thread, an actor's cells by its
 * own thread.
 */
import { phases } from '../acknowledged.ts';
import type { Phase } from '../acknowledged.ts';
import { assert, present } from '../../../base/error.ts';

export const actorKinds = [
  'appender',
  'overwriter',
  'replacer',
  'ledger',
  'reader',
  'second reader',
] as const;
export type ActorKind = (typeof actorKinds)[number];

/** Of all actors together, in one phase. */
export interface PhaseFigures {
  readonly operations: number;
  readonly longestStallMs: number;
}
export type WorkloadFigures = Readonly<Record<Phase, PhaseFigures>>;

const runCell = 0;
const phaseCell = 1;
const firstActorCell = 2;
const figuresPerPhase = 2;
const cellsPerActor = 1 + phases.length * figuresPerPhase;

const stopped = 0;
const running = 1;

export class WorkloadCells {
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(shared = new SharedArrayBuffer(4 * (firstActorCell + actorKinds.length * cellsPerActor))) {
    this.shared = shared;
    this.#cells = new Int32Array(shared);
  }

  // ---- the main thread's side

  orderRun(phase: Phase): void {
    Atomics.store(this.#cells, phaseCell, phases.indexOf(phase));
    this.#order(running);
  }

  orderStop(): void {
    this.#order(stopped);
  }

  get areAllRunning(): boolean {
    return this.#areAll(running);
  }

  get areAllStopped(): boolean {
    return this.#areAll(stopped);
  }

  figures(): WorkloadFigures {
    return {
      before: this.#figuresOf('before'),
      during: this.#figuresOf('during'),
      after: this.#figuresOf('after'),
    };
  }

  // ---- an actor's side

  get shallRun(): boolean {
    return Atomics.load(this.#cells, runCell) === running;
  }

  get phase(): Phase {
    return present(phases[Atomics.load(this.#cells, phaseCell)], 'the phase by its index');
  }

  waitForStart(): void {
    while (!this.shallRun) Atomics.wait(this.#cells, runCell, stopped);
  }

  /** Ends early when the actor shall stop. */
  rest(milliseconds: number): void {
    Atomics.wait(this.#cells, runCell, running, milliseconds);
  }

  setRunning(actor: ActorKind, isRunning: boolean): void {
    Atomics.store(this.#cells, actorCell(actor), isRunning ? running : stopped);
  }

  addOperation(actor: ActorKind, phase: Phase, elapsedMs: number): void {
    const cell = figuresCell(actor, phase);
    const elapsedUs = Math.round(elapsedMs * 1000);
    assert(elapsedUs < 2 ** 31, 'an operation that takes longer than half an hour is no stall any more');
    Atomics.add(this.#cells, cell, 1);
    if (elapsedUs > Atomics.load(this.#cells, cell + 1)) Atomics.store(this.#cells, cell + 1, elapsedUs);
  }

  #order(wish: number): void {
    Atomics.store(this.#cells, runCell, wish);
    Atomics.notify(this.#cells, runCell);
  }

  #areAll(state: number): boolean {
    return actorKinds.every((actor) => Atomics.load(this.#cells, actorCell(actor)) === state);
  }

  #figuresOf(phase: Phase): PhaseFigures {
    const cells = actorKinds.map((actor) => figuresCell(actor, phase));
    const operations = cells.reduce((sum, cell) => sum + Atomics.load(this.#cells, cell), 0);
    const longestUs = Math.max(...cells.map((cell) => Atomics.load(this.#cells, cell + 1)));
    return { operations, longestStallMs: longestUs / 1000 };
  }
}

function actorCell(actor: ActorKind): number {
  return firstActorCell + actorKinds.indexOf(actor) * cellsPerActor;
}

/** Two cells: the number of operations, then the longest in microseconds. */
function figuresCell(actor: ActorKind, phase: Phase): number {
  return actorCell(actor) + 1 + phases.indexOf(phase) * figuresPerPhase;
}
