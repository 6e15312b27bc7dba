/**
 * A promise that the code under test has broken. `sector` is where, when it is about data; the runner then
 * replays the seed and prints what happened to that sector's block.
 */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly sector: number | undefined;

  constructor(message: string, sector?: number) {
    super(message);
    this.sector = sector;
  }
}
