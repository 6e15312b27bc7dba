/**
 * What the person has chosen. Nothing is ever chosen for them, and what they have chosen is a disk, not a path: when
 * another disk comes under its path, it is chosen no longer. What they have accepted of one disk, and a plan of it,
 * never stand for another.
 */
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import type { Speed } from '../../app/contract/plan.ts';

export interface Choice {
  readonly source: string | null;
  readonly destination: string | null;
  readonly verifies: boolean;
  readonly speed: Speed;
  /** Units of systemd to stop while the volume is put in place. */
  readonly units: readonly string[];
  /** For disks of which the service keeps no journal yet, after a warning. */
  readonly allowsNoJournal: boolean;
}

export const firstChoice: Choice = {
  source: null,
  destination: null,
  verifies: true,
  speed: 'balanced',
  units: [],
  allowsNoJournal: false,
};

/** By which each chosen disk is known again; null of what no list has shown. */
export type Marks = Readonly<Record<'source' | 'destination', string | null>>;
export const noMarks: Marks = { source: null, destination: null };

type Chosen = { readonly choice: Choice; readonly marks: Marks };
type Trees = readonly DeviceTree[];

/** Of other disks nothing has been accepted, and other units keep them busy. */
export function choiceAfter(choice: Choice, change: Partial<Choice>): Choice {
  const next = { ...choice, ...change };
  const isOtherSource = next.source !== choice.source;
  const isOther = isOtherSource || next.destination !== choice.destination;
  return {
    ...next,
    ...(isOtherSource ? { units: change.units ?? [] } : {}),
    ...(isOther ? { allowsNoJournal: change.allowsNoJournal ?? false } : {}),
  };
}

export function marksOf({ source, destination }: Choice, trees: Trees): Marks {
  return { source: markIn(trees, source), destination: markIn(trees, destination) };
}

/** What is chosen still, now that these disks are there. */
export function choiceAmong({ choice, marks }: Chosen, trees: Trees): Choice {
  const kept = (role: keyof Marks): string | null => {
    const mark = markIn(trees, choice[role]);
    return mark !== null && (marks[role] === null || marks[role] === mark) ? choice[role] : null;
  };
  return choiceAfter(choice, { source: kept('source'), destination: kept('destination') });
}

/** What a plan is asked of: it holds for exactly that. */
export interface PlanQuestion {
  readonly asked: {
    readonly source: string;
    readonly destination: string;
    readonly verifies: boolean;
    readonly allowsNoJournal: boolean;
  };
  readonly marks: Marks;
}

/** Null while there is nothing to plan. */
export function questionOf({ choice, marks }: Chosen): PlanQuestion | null {
  const { source, destination, verifies, allowsNoJournal } = choice;
  if (source === null || destination === null) return null;
  return { asked: { source, destination, verifies, allowsNoJournal }, marks };
}

/** The same text for the same question. */
export function questionKey(question: PlanQuestion | null): string {
  if (question === null) return '';
  const { asked, marks } = question;
  const { source, destination, verifies, allowsNoJournal } = asked;
  return JSON.stringify([source, marks.source, destination, marks.destination, verifies, allowsNoJournal]);
}

/** Of all trees, with everything that lies on them. */
export function findDevice(trees: Trees, path: string | null): DeviceTree | undefined {
  for (const tree of trees) {
    if (tree.path === path) return tree;
    const below = findDevice(tree.children, path);
    if (below !== undefined) return below;
  }
  return undefined;
}

function markIn(trees: Trees, path: string | null): string | null {
  const found = findDevice(trees, path);
  if (found === undefined) return null;
  const { majorMinor, serial, wwn, sizeBytes } = found;
  return JSON.stringify([found.path, majorMinor, serial, wwn, sizeBytes]);
}
