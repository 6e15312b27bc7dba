/**
 * Results as a table for people or as one JSON object per line for programs. Both show medians with the
 * least and the most of all rounds, and the ratio of ours to theirs.
 */
import type { Goal, Outcome } from './outcome.ts';
import { verdictOn } from './outcome.ts';
import type { Standing } from './standing.ts';
import type { Sample } from './statistics.ts';

export function toJson(benchmark: string, outcome: Outcome): string {
  return JSON.stringify({ benchmark, ...outcome, verdict: verdictOn(outcome) });
}

export function toTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map((outcome) => [
    outcome.what,
    `ours ${sampleText(outcome.ours)} ${outcome.unit}`,
    `${outcome.theirName} ${sampleText(outcome.theirs)}`,
    `× ${sampleText(outcome.ratio)}`,
    goalText(outcome.goal),
    verdictOn(outcome) === 'no goal' ? '' : verdictOn(outcome),
  ]);
  return inColumns(rows);
}

export function standingsToJson(benchmark: string, standings: readonly Standing[]): string {
  const lines = standings.map(({ contestant, figures }) => {
    const named = figures.map(([what, unit, value]) => ({ what, unit, value }));
    return JSON.stringify({ benchmark, contestant, figures: named });
  });
  return lines.map((line) => `${line}\n`).join('');
}

export function standingsToTable(standings: readonly Standing[]): string {
  const head = (standings[0]?.figures ?? []).map(([what, unit]) => `${what}, ${unit}`);
  const rows = standings.map(({ contestant, figures }) => [
    contestant,
    ...figures.map(([, , value]) => (typeof value === 'string' ? value : sampleText(value))),
  ]);
  return inColumns([['', ...head], ...rows]);
}

function inColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `  ${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function sampleText({ median, least, most }: Sample): string {
  return `${numberText(median)} (${numberText(least)}–${numberText(most)})`;
}

function numberText(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function goalText(goal: Goal | null): string {
  if (goal === null) return '';
  const signs = { 'at-least': '≥', 'at-most': '≤', above: '>', below: '<' } as const;
  return `goal ${signs[goal.kind]} ${goal.ratio}`;
}
