/**
 * A block device of the kernel's ublk driver: its requests come through the engine's own ring, and their data
 * goes straight between the consumer's pages and the buffers of the request slots.
 *
 * Each tag of the queue has a slot for good. A tag is always in one of three states:
 *
 *   fetching ──(the kernel has a request)──▶ serving ──(the router answers)──▶ fetching, with the answer
 *      └──────(the device is stopped)──────▶ gone
 *
 * The first fetches are posted by the first turn; the device can be started only then. When it is stopped,
 * the kernel gives every fetch back: the frontend is closed when all tags are gone.
 */
import { errno } from '../../base/errno.ts';
import { assert } from '../../base/error.ts';
import { sectorBytes } from '../../base/units.ts';
import { addon } from '../../../native/binding.ts';
import type { NativeUblkQueue } from '../../../native/binding.ts';
import type { Ring } from '../../../native/ring.ts';
import { tagOf } from '../../../native/ring.ts';
import type { NumberForm } from '../../../native/ublk.ts';
import { requestCommand } from '../../../native/ublk.ts';
import { requestKinds } from '../../router/request.ts';
import type { RequestHandler, RequestKind, RequestTable } from '../../router/request.ts';
import type { Frontend, FrontendSetting } from '../frontend.ts';
import {
  descriptorWord,
  descriptorWords,
  fetchResult,
  fuaFlag,
  operation,
  operationMask,
  queueDepth,
  requestBytesMax,
} from './protocol.ts';

const twoTo32 = 4294967296;
/** A command's first word is the queue (ours is 0) and, above it, the tag. */
const tagShift = 16;

export class UblkFrontend implements Frontend {
  /** The kernel counts who has the device open. */
  readonly clientCount = 0;
  readonly #ring: Ring;
  readonly #ringOwner: number;
  readonly #fd: number;
  readonly #requests: RequestTable;
  readonly #handler: RequestHandler;
  readonly #queue: NativeUblkQueue;
  readonly #descriptors = new Uint32Array(queueDepth * descriptorWords);
  readonly #fetch: number;
  readonly #commitAndFetch: number;
  readonly #slotOfTag = new Int32Array(queueDepth);
  readonly #tagOfSlot: Int32Array;
  #hasFetched = false;
  /** The descriptors are those of the completions that are being dispatched. */
  #isFresh = false;
  #goneCount = 0;

  /** `characterFd` is /dev/ublkcN; its owner closes it when the worker has ended. */
  constructor(setting: FrontendSetting, characterFd: number, numberForm: NumberForm) {
    this.#ring = setting.ring;
    this.#ringOwner = setting.ringOwner;
    this.#fd = characterFd;
    this.#requests = setting.requests;
    this.#handler = setting.handler;
    this.#queue = new (addon().UblkQueue)(characterFd, queueDepth, this.#descriptors);
    this.#fetch = requestCommand(numberForm, 'fetch');
    this.#commitAndFetch = requestCommand(numberForm, 'commitAndFetch');
    assert(setting.requests.freeCount >= queueDepth, 'every tag has a slot of its own');
    this.#tagOfSlot = new Int32Array(setting.requests.capacity);
    for (let tag = 0; tag < queueDepth; tag += 1) {
      const slot = setting.requests.claim();
      this.#slotOfTag[tag] = slot;
      this.#tagOfSlot[slot] = tag;
    }
  }

  get isClosed(): boolean {
    return this.#goneCount === queueDepth;
  }

  /** The kernel lets go by itself when the device is stopped. */
  stopAccepting(): void {}

  prepareTurn(): void {
    this.#isFresh = false;
    if (this.#hasFetched) return;
    this.#hasFetched = true;
    for (let tag = 0; tag < queueDepth; tag += 1) this.#post(this.#fetch, tag, 0);
  }

  ringDone(tag: number, result: number): void {
    if (result === fetchResult.request) {
      this.#take(tag);
      return;
    }
    assert(result === fetchResult.aborted, `a fetch from the ublk device failed: errno ${-result}`);
    this.#goneCount += 1;
    if (this.isClosed) this.#queue.close();
  }

  /** A read or write is answered by how much of it is done: all. */
  requestDone(slot: number, result: number): void {
    const kind = this.#requests.kind[slot];
    const movesData = kind === requestKinds.read || kind === requestKinds.write;
    const length = this.#requests.lengthBytes[slot] as number;
    this.#answer(this.#tagOfSlot[slot] as number, result === 0 && movesData ? length : result);
  }

  #take(tag: number): void {
    this.#refresh();
    const first = this.#word(tag, descriptorWord.operation);
    switch (first & operationMask) {
      case operation.read:
        this.#begin(tag, requestKinds.read);
        break;
      case operation.write:
        this.#begin(tag, requestKinds.write);
        break;
      case operation.flush:
        this.#begin(tag, requestKinds.flush);
        break;
      case operation.discard:
        this.#begin(tag, requestKinds.discard);
        break;
      case operation.writeZeroes:
        this.#begin(tag, requestKinds.writeZeroes);
        break;
      default:
        this.#answer(tag, errno.notSupported);
    }
  }

  #begin(tag: number, kind: RequestKind): void {
    const slot = this.#slotOfTag[tag] as number;
    const low = this.#word(tag, descriptorWord.startSectorLow);
    const high = this.#word(tag, descriptorWord.startSectorHigh);
    this.#requests.kind[slot] = kind;
    this.#requests.fua[slot] = (this.#word(tag, descriptorWord.operation) & fuaFlag) === 0 ? 0 : 1;
    this.#requests.offsetBytes[slot] = (high * twoTo32 + low) * sectorBytes;
    this.#requests.lengthBytes[slot] = this.#word(tag, descriptorWord.sectorCount) * sectorBytes;
    this.#handler.begin(slot);
  }

  /** Once for all that has completed in a turn. */
  #refresh(): void {
    if (this.#isFresh) return;
    this.#queue.refresh();
    this.#isFresh = true;
  }

  #answer(tag: number, result: number): void {
    this.#post(this.#commitAndFetch, tag, result);
  }

  #post(command: number, tag: number, result: number): void {
    const buffer = this.#requests.dataOffset(this.#slotOfTag[tag] as number);
    const ringTag = tagOf(this.#ringOwner, tag);
    this.#ring.uringCmd(this.#fd, command, tag << tagShift, result, requestBytesMax, buffer, ringTag);
  }

  #word(tag: number, word: number): number {
    return this.#descriptors[tag * descriptorWords + word] as number;
  }
}
