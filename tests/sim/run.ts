/**
 * Runs seeds of the simulation: npm run test:sim -- [--seeds N] [--first-seed S] [--stop-at-failure]
 *
 * A seed that fails is played again with a history of the block that it is about, and the command that does
 * so is printed. The last line says how many passed and failed; the exit code is 1 if any failed.
 */
import { parseArgs } from 'node:util';
import { describeScenario } from './scenario.ts';
import { History } from './history.ts';
import { simPoolBytes } from './sim-engine.ts';
import { SimPool } from './sim-pool.ts';
import { Violation } from './violation.ts';
import type { Outcome } from './world.ts';
import { World } from './world.ts';

/** Failures that are shown in full. */
const shownMax = 3;

const pool = new SimPool(simPoolBytes);

interface Tally {
  readonly outcomes: Map<Outcome, number>;
  requests: number;
  powerCuts: number;
  recoveries: number;
  passed: number;
  failed: number;
}

function play(seed: number, tally: Tally): Violation | undefined {
  const world = new World(seed, pool);
  const result = endOf(world);
  tally.requests += world.requestCount;
  tally.powerCuts += world.powerCutCount;
  tally.recoveries += world.recoveryCount;
  if (result instanceof Violation) return result;
  tally.outcomes.set(result, (tally.outcomes.get(result) ?? 0) + 1);
  return undefined;
}

function endOf(world: World): Outcome | Violation {
  try {
    return world.run();
  } catch (error) {
    if (error instanceof Violation) return error;
    const thrown = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return new Violation(`the code under test threw: ${thrown}`);
  }
}

/** Plays the seed again, this time keeping the history of the block that it is about. */
function explain(seed: number, violation: Violation): string {
  const world = new World(seed, pool);
  const { sector } = violation;
  const history = sector === undefined ? undefined : world.keepHistory(History.blockOf(sector));
  const again = endOf(world);
  const isSame = again instanceof Violation && again.message === violation.message;
  return [
    `seed ${seed} failed: ${violation.message}`,
    `after ${world.requestCount} requests, at ${world.nowMs.toFixed(3)} ms of simulated time`,
    describeScenario(world.scenario),
    ...(history === undefined ? [] : [history.toString()]),
    ...(isSame ? [] : ['played again it went otherwise: the simulation depends on more than its seed']),
    `replay: npm run test:sim -- --first-seed ${seed} --seeds 1`,
    '',
  ].join('\n');
}

function wholeNumber(text: string, name: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${name}: "${text}" is not a whole number above 0`);
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    'first-seed': { type: 'string', default: '1' },
    'stop-at-failure': { type: 'boolean', default: false },
  },
});
const count = wholeNumber(values.seeds, '--seeds');
const first = wholeNumber(values['first-seed'], '--first-seed');
const tally: Tally = { outcomes: new Map(), requests: 0, powerCuts: 0, recoveries: 0, passed: 0, failed: 0 };
const startedMs = performance.now();

for (let seed = first; seed < first + count; seed += 1) {
  const violation = play(seed, tally);
  if (violation === undefined) {
    tally.passed += 1;
    continue;
  }
  tally.failed += 1;
  if (tally.failed <= shownMax) console.log(explain(seed, violation));
  if (values['stop-at-failure']) break;
}

const outcomes = [...tally.outcomes].map(([outcome, times]) => `${times} ${outcome}`).join(', ');
const seedMs = (performance.now() - startedMs) / (tally.passed + tally.failed);
const events = `${tally.requests} requests, ${tally.powerCuts} power cuts, ${tally.recoveries} gone on from`;
console.log(`simulation: ${outcomes}; ${events}; ${seedMs.toFixed(1)} ms a seed`);
console.log(`${tally.passed} passed, ${tally.failed} failed`);
if (tally.failed > 0) process.exitCode = 1;
