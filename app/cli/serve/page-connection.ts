/**
 * One page of the wizard at its WebSocket: it opens itself by a key, and then asks. Until it has, it has no
 * connection to the service. A page that does not read what it is told is let go, so that nothing piles up; it
 * connects again when it can.
 */
import type { WebSocket } from 'ws';
import { ServiceBridge } from '../../client/service-bridge.ts';
import type { BridgeAnswer, HostFrame, PageFrame } from '../../contract/bridge.ts';
import { pageFrameSchema, refusedTokenCode } from '../../contract/bridge.ts';
import type { PageKeys } from './page-keys.ts';

const openMsMax = 10_000;
const unreadBytesMax = 4 * 1024 * 1024;
/** Of WebSocket: what was sent is against the rules. */
const violationCode = 1008;

export interface PageConnectionOptions {
  readonly keys: PageKeys;
  readonly socketPath: string;
  /** It has opened itself; and is gone again. */
  readonly onOpen: () => void;
  readonly onGone: () => void;
}

export function servePage(socket: WebSocket, { keys, socketPath, onOpen, onGone }: PageConnectionOptions): void {
  let bridge: ServiceBridge | undefined;
  const late = setTimeout(() => socket.close(violationCode), openMsMax);
  const send = (frame: HostFrame): void => {
    if (socket.bufferedAmount > unreadBytesMax) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  };
  const open = (key: string): void => {
    const session = keys.open(key);
    if (session === undefined) {
      socket.close(refusedTokenCode);
      return;
    }
    clearTimeout(late);
    onOpen();
    send({ kind: 'opened', session });
    bridge = new ServiceBridge({ socketPath, tell: (message) => send({ kind: 'message', message }) });
  };
  socket.on('message', (data, isBinary) => {
    const frame = Buffer.isBuffer(data) && !isBinary ? parseFrame(data.toString()) : undefined;
    if (frame?.kind === 'open' && bridge === undefined) open(frame.token);
    else if (frame?.kind === 'ask' && bridge !== undefined)
      void bridge.ask(frame.request).then((answer: BridgeAnswer) => send({ kind: 'answer', id: frame.id, answer }));
    else socket.close(violationCode);
  });
  // Closing follows.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    clearTimeout(late);
    if (bridge === undefined) return;
    bridge.close();
    onGone();
  });
}

function parseFrame(text: string): PageFrame | undefined {
  try {
    return pageFrameSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // the caller closes the connection
  }
}
