/**
 * Commands that were received and not yet answered in full, of all connections, as a fixed table. A command
 * is carried out in one or more *parts*, each a request in a slot of its own: what does not fit in one slot's
 * data buffer takes several, one after the other or at once, as slots come free.
 *
 * Always holds: a command in the table either has parts in the router, or is the one that its connection is
 * just taking in; so there are never more than there are slots and connections.
 */
import { assert } from '../../base/error.ts';
import { blockBytes } from '../../base/units.ts';
import { requestDataBytesMax } from '../../router/request.ts';
import { carriesData, nbdErrors } from './protocol.ts';

export class CommandTable {
  readonly connection: Uint8Array;
  readonly type: Uint16Array;
  readonly flags: Uint16Array;
  /** The cookie's two halves, as they came. */
  readonly cookieHigh: Int32Array;
  readonly cookieLow: Int32Array;
  /** Where the next part starts on the device. */
  readonly positionBytes: Float64Array;
  /** What the parts so far do not cover. */
  readonly remainingBytes: Float64Array;
  /** Parts that were started and not yet answered. */
  readonly openParts: Int32Array;
  /** The first error among its parts, as the protocol numbers it. */
  readonly error: Uint8Array;
  /** 1 once the first bytes of its answer are on their way. */
  readonly isReplying: Uint8Array;
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(capacity: number) {
    this.connection = new Uint8Array(capacity);
    this.type = new Uint16Array(capacity);
    this.flags = new Uint16Array(capacity);
    this.cookieHigh = new Int32Array(capacity);
    this.cookieLow = new Int32Array(capacity);
    this.positionBytes = new Float64Array(capacity);
    this.remainingBytes = new Float64Array(capacity);
    this.openParts = new Int32Array(capacity);
    this.error = new Uint8Array(capacity);
    this.isReplying = new Uint8Array(capacity);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
  }

  claim(connection: number): number {
    assert(this.#freeCount > 0, 'a command holds a slot or is the one that its connection takes in');
    this.#freeCount -= 1;
    const command = this.#free[this.#freeCount] as number;
    this.connection[command] = connection;
    this.openParts[command] = 0;
    this.error[command] = nbdErrors.none;
    this.isReplying[command] = 0;
    return command;
  }

  release(command: number): void {
    this.#free[this.#freeCount] = command;
    this.#freeCount += 1;
  }

  /** True when every part has been started and answered. */
  isAnswered(command: number): boolean {
    return this.openParts[command] === 0 && this.remainingBytes[command] === 0;
  }

  /** True when one part covers what remains: all but long reads and writes. */
  fitsInOnePart(command: number): boolean {
    const isShort = (this.remainingBytes[command] as number) <= requestDataBytesMax;
    return isShort || !carriesData(this.type[command] as number);
  }

  /** Parts meet at borders of blocks: two parts of a write in one block would both have to be merged. */
  nextPartBytes(command: number): number {
    if (this.fitsInOnePart(command)) return this.remainingBytes[command] as number;
    return requestDataBytesMax - ((this.positionBytes[command] as number) % blockBytes);
  }
}
