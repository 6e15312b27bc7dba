/**
 * Makes text fit a terminal's width: broken between words and going on under its own beginning, or cut off.
 */
import wrapAnsi from 'wrap-ansi';

const widthMin = 20;

/**
 * Wraps every line of `text` to `columns`, of which `indentWidth` are taken by what the caller puts in front
 * of the first line. Lines that begin with spaces keep them.
 */
export function wrapUnder(
  text: string,
  { columns, indentWidth }: { columns: number; indentWidth: number },
): string {
  const lines = text.split('\n').flatMap((line) => {
    const ownIndent = line.length - line.trimStart().length;
    const wrapped = wrapAnsi(line.trim(), Math.max(widthMin, columns - indentWidth - ownIndent));
    return wrapped.split('\n').map((part) => ' '.repeat(ownIndent) + part);
  });
  return lines.join(`\n${' '.repeat(indentWidth)}`);
}

/** What of a line fits. Colours take no room, and end where it is cut. */
export function cutTo(line: string, columns: number): string {
  const [fitting = ''] = wrapAnsi(line, Math.max(widthMin, columns), { hard: true, trim: false }).split('\n');
  return fitting;
}
