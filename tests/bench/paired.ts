/**
 * Runs contestants in turns (A B C A B C …), so that whatever else the machine does meets all of them alike.
 */
import { present } from '../../app/base/error.ts';
import type { Bench } from './benchmark.ts';
import { median } from './statistics.ts';

/** Runs once and returns its figure, or all of its figures together. */
export type Contestant<Figure = number> = () => Promise<Figure>;

type AllContestants = Readonly<Record<string, Contestant<unknown>>>;
type Figures<Contestants extends AllContestants> = {
  [Name in keyof Contestants]: Awaited<ReturnType<Contestants[Name]>>[];
};

/** The figures of each contestant, round by round. */
export async function paired<Contestants extends AllContestants>(
  { effort, interrupted }: Bench,
  contestants: Contestants,
): Promise<Figures<Contestants>> {
  const figures = new Map<string, unknown[]>();
  for (let round = 0; round < effort.rounds; round += 1) {
    for (const [name, contestant] of Object.entries(contestants)) {
      interrupted.throwIfAborted();
      figures.set(name, [...(figures.get(name) ?? []), await contestant()]);
    }
  }
  return Object.fromEntries(figures) as Figures<Contestants>;
}

/** Which of the named has the highest median. */
export function highest<Name extends string>(
  figures: Readonly<Record<Name, readonly number[]>>,
  names: readonly Name[],
): Name {
  const best = [...names].sort((a, b) => median(figures[b]) - median(figures[a]))[0];
  return present(best, 'a contestant to compare with');
}
