/**
 * How a reader of free space says that it cannot tell, and the small checks that all readers make on text.
 */
import type { ProgramEnd } from '../program.ts';

/** Thrown by a reader; `message` is the reason that people see. */
export class AllocationUnknown extends Error {
  override readonly name = 'AllocationUnknown';
}

/** A tool ended with an exit code that it should not have: what it said last is why; a banner comes first. */
export function toolFailed(program: string, end: ProgramEnd): AllocationUnknown {
  const said =
    end.stderr
      .trim()
      .split(/[\r\n]+/)
      .at(-1) ?? '';
  return new AllocationUnknown(`${program} ended with ${end.exitCode}${said === '' ? '' : `: ${said}`}`);
}

/** The number that the pattern's first group matches in a tool's output. */
export function numberIn(text: string, pattern: RegExp, what: string): number {
  const value = Number(pattern.exec(text)?.[1] ?? NaN);
  if (!Number.isSafeInteger(value)) throw new AllocationUnknown(`the tool did not tell the ${what}`);
  return value;
}

/** Two tools, or two places of one file system, must agree before a single block is left out. */
export function assertAgreement(mappedBytes: number, countedBytes: number): void {
  if (mappedBytes === countedBytes) return;
  throw new AllocationUnknown(
    `the map shows ${mappedBytes} free bytes, the file system counts ${countedBytes}: check it with fsck`,
  );
}
