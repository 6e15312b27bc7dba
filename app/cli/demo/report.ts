/**
 * What the demo has shown: the migration's own report, and beside it what the volume's users saw and what was
 * checked. Made only when every check was good.
 */
import type { JobReport } from '../../contract/events.ts';
import { formatBytes, formatDuration } from '../format.ts';
import type { Phase } from './acknowledged.ts';
import { phases } from './acknowledged.ts';
import type { WorkloadFigures } from './workload/cells.ts';

export interface DemoFindings {
  /** findmnt's source in each phase. */
  readonly devices: Readonly<Record<Phase, string>>;
  /** What the workload did in each phase, and its longest wait for one operation. */
  readonly workload: WorkloadFigures;
  /** Acknowledged in each phase, and all found. */
  readonly rows: Readonly<Record<Phase, number>>;
  /** All found with the content that was acknowledged. */
  readonly files: { readonly count: number; readonly sizeBytes: number };
}

export interface DemoReport extends JobReport {
  readonly demo: DemoFindings;
}

/** For people: one line per thing that the demo set out to show. */
export function reportText(report: DemoReport): string {
  const { copiedBytes, redirectedBytes, skippedBytes, interruptions, demo } = report;
  const { devices, workload, rows, files } = demo;
  const away = interruptions.map(({ at, elapsedMs }) => `${formatDuration(elapsedMs)} at the ${at}`);
  const moved = [
    `${formatBytes(copiedBytes)} copied`,
    `${formatBytes(redirectedBytes)} written meanwhile`,
    `${formatBytes(skippedBytes)} of free space left out`,
  ];
  const lines: readonly (readonly [string, string])[] = [
    ['Mounted from', inPhases((phase) => devices[phase])],
    ['Interruptions', away.join(', ')],
    ['Longest stall', inPhases((phase) => formatDuration(workload[phase].longestStallMs))],
    ['Operations', inPhases((phase) => formatCount(workload[phase].operations))],
    ['Moved', moved.join(', ')],
    ['File system', 'e2fsck finds nothing wrong'],
    ['Files', `${formatCount(files.count)} (${formatBytes(files.sizeBytes)}), every one as it was written`],
    ['Database', `every acknowledged row is there: ${inPhases((phase) => formatCount(rows[phase]))}`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n');
}

function inPhases(figure: (phase: Phase) => string): string {
  return phases.map((phase) => `${figure(phase)} ${phase}`).join(', ');
}

function formatCount(count: number): string {
  return count.toLocaleString('en');
}
