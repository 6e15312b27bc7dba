/**
 * A shell command that a test can hold up: for stop and start commands, so that a job stands still in the
 * middle of a step while the test does something to it.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Scratch } from './scratch.ts';
import { waitUntil } from './wait.ts';

export class Gate {
  readonly #closedFile: string;
  readonly #callsFile: string;

  /** Open at first. */
  constructor(scratch: Scratch, name: string) {
    this.#closedFile = scratch.path(`${name}-closed`);
    this.#callsFile = scratch.path(`${name}-calls`);
    scratch.onRelease('a gate', () => this.open());
  }

  /** Ends when the gate is open. */
  get command(): string {
    return `echo called >> ${this.#callsFile}; while [ -e ${this.#closedFile} ]; do sleep 0.01; done`;
  }

  /** How often the command was started. */
  get calls(): number {
    return existsSync(this.#callsFile) ? readFileSync(this.#callsFile, 'utf8').trim().split('\n').length : 0;
  }

  close(): void {
    writeFileSync(this.#closedFile, '');
  }

  open(): void {
    rmSync(this.#closedFile, { force: true });
  }

  async reached(calls: number): Promise<void> {
    await waitUntil(`a gate is reached ${calls} times`, () => this.calls >= calls);
  }
}
