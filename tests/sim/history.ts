/**
 * What happened to one block, for people: kept only while a failed seed is played again, when it is known
 * which block matters. Consumer, disks and flags each tell their part; the lines stand in the order of
 * events.
 */
import { blockBytes, sectorBytes } from '../../app/base/units.ts';

const blockSectors = blockBytes / sectorBytes;
/** A hot block may have thousands; the last ones tell what went wrong. */
const linesMax = 60;

export class History {
  readonly block: number;
  readonly #clockUs: () => number;
  readonly #lines: string[] = [];

  constructor(block: number, clockUs: () => number) {
    this.block = block;
    this.#clockUs = clockUs;
  }

  static blockOf(sector: number): number {
    return Math.floor(sector / blockSectors);
  }

  /** Something that concerns a range of sectors; kept if the block has one of them. */
  note(firstSector: number, sectorCount: number, who: string, what: string): void {
    const start = this.block * blockSectors;
    const isHere = firstSector < start + blockSectors && start < firstSector + sectorCount;
    if (isHere) this.#add(who, `${what} ${firstSector}..${firstSector + sectorCount - 1}`);
  }

  /** Something that concerns every block. */
  noteAll(who: string, what: string): void {
    this.#add(who, what);
  }

  #add(who: string, what: string): void {
    const time = (this.#clockUs() / 1000).toFixed(3).padStart(10);
    this.#lines.push(`${time}  ${who.padEnd(11)}  ${what}`);
  }

  toString(): string {
    const start = this.block * blockSectors;
    const left = Math.max(0, this.#lines.length - linesMax);
    return [
      `block ${this.block} (sectors ${start}..${start + blockSectors - 1}), what happened to it; times in ms:`,
      ...(left > 0 ? [`        … ${left} earlier lines`] : []),
      ...this.#lines.slice(left),
    ].join('\n');
  }
}
