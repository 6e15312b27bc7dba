/**
 * Runs contestants in turns (A B C A B C …), so that whatever else the machine does meets all of them alike.
 */
import { present } from '../../app/base/error.ts';
import { median } from './statistics.ts';

/** Runs once and returns its figure. */
export type Contestant = () => Promise<number>;

/** The figures of each contestant, round by round. */
export async function paired<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, Contestant>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) figures[name].push(await contestants[name]());
  }
  return figures;
}

/** Which of the named has the highest median. */
export function highest<Name extends string>(figures: Readonly<Record<Name, readonly number[]>>, names: readonly Name[]): Name {
  const best = [...names].sort((a, b) => median(figures[b]) - median(figures[a]))[0];
  return present(best, 'a contestant to compare with');
}
