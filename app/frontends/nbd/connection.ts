/**
 * What is known of one client, as a row of state that is made once and used again for the next client: its
 * socket, its buffers, the command that is being taken in, and which ring operations are under way on its
 * socket.
 *
 *   free → negotiating → serving → leaving → gone → free
 *
 * *Leaving* takes no more input and goes when all is answered; *gone* drops what was to be sent. The socket
 * is closed when its last ring operation has ended, and the row is free when its last request has come back
 * from the router.
 */
import type { BufferPool } from '../../base/buffer-pool.ts';
import { pageBytes } from '../../base/buffer-pool.ts';
import { kibibyte } from '../../base/units.ts';
import { Inbox } from './inbox.ts';
import type { Negotiation } from './negotiation.ts';
import type { Outbox } from './outbox.ts';
import { nbdErrors } from './protocol.ts';
import { noSlot } from './slot-shares.ts';

/** Clients of a listening socket at the same time (invariant 10); more wait in the socket's backlog. */
export const connectionsMax = 16;
/** Takes a queue of 31 writes of 4 KiB in one piece. */
const inboxBytes = 128 * kibibyte;
/** Pool bytes of that many connections: for each its inbox and a page for answers of the negotiation. */
export function nbdPoolBytes(connectionCount: number): number {
  return connectionCount * (inboxBytes + pageBytes);
}

export const phases = { free: 0, negotiating: 1, serving: 2, leaving: 3, gone: 4 } as const;
export type Phase = (typeof phases)[keyof typeof phases];

export const noCommand = -1;
export const noFd = -1;

export class Connection {
  readonly index: number;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  /** Pool offset of the page from which answers of the negotiation are sent. */
  readonly negotiationPage: number;

  phase: Phase = phases.free;
  fd = noFd;
  acceptedUs = 0;
  negotiation: Negotiation | undefined = undefined;
  usesStructuredReplies = false;

  /** The command whose parts are being started, or `noCommand`. */
  command = noCommand;
  /** The error with which that command is to be refused. */
  refusal: number = nbdErrors.none;
  /** That command is a long read whose parts must be answered in order. */
  answersInOrder = false;
  /** The slot that is being filled with data of a write, and how far. */
  fillingSlot = noSlot;
  filledBytes = 0;
  /** Data of a refused write that is still to come. */
  drainBytes = 0;
  /** Commands that are not answered yet. */
  openCommands = 0;
  /** Going on needs more bytes from the client, not only free slots. */
  wantsInput = false;

  isReceiving = false;
  isSending = false;
  cancelsUnderWay = 0;
  /** What was under way when the connection was gone has been told to end. */
  isCancelled = false;

  constructor(index: number, pool: BufferPool, outbox: Outbox) {
    this.index = index;
    this.inbox = new Inbox(pool, inboxBytes);
    this.negotiationPage = pool.reserve(pageBytes);
    this.outbox = outbox;
  }

  /** A new client, for a row that is free. */
  welcome(fd: number, negotiation: Negotiation, nowUs: number): void {
    this.#open(fd, phases.negotiating);
    this.acceptedUs = nowUs;
    this.negotiation = negotiation;
  }

  /** A client to whom all has been said that there is to negotiate, for a row that is free. */
  serve(fd: number): void {
    this.#open(fd, phases.serving);
  }

  #open(fd: number, phase: Phase): void {
    this.phase = phase;
    this.fd = fd;
    this.usesStructuredReplies = false;
    this.wantsInput = false;
    this.drainBytes = 0;
    this.isCancelled = false;
    this.inbox.clear();
  }

  /** True when no command is being taken in; part of a header may have arrived. */
  isBetweenCommands(): boolean {
    return this.command === noCommand && this.drainBytes === 0;
  }

  hasOperationUnderWay(): boolean {
    return this.isReceiving || this.isSending || this.cancelsUnderWay > 0;
  }
}
