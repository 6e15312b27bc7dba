/** Breaks text into lines that fit, between words; what goes on stands under its own beginning. */
import wrapAnsi from 'wrap-ansi';

const widthMin = 20;

/**
 * Wraps every line of `text` to `columns`, of which `indentWidth` are taken by what the caller puts in front of the
 * first line. Lines that begin with spaces keep them.
 */
export function wrapUnder(text: string, { columns, indentWidth }: { columns: number; indentWidth: number }): string {
  const lines = text.split('\n').flatMap((line) => {
    const ownIndent = line.length - line.trimStart().length;
    const wrapped = wrapAnsi(line.trim(), Math.max(widthMin, columns - indentWidth - ownIndent));
    return wrapped.split('\n').map((part) => ' '.repeat(ownIndent) + part);
  });
  return lines.join(`\n${' '.repeat(indentWidth)}`);
}
