/**
 * Stands between a client and the real service, and passes everything on but the progress of jobs: of that it tells
 * as much as a test wants, as quickly as it wants, made up for a volume of 64 TiB on which every part changes again
 * and again. A real job tells its progress once a second; a client may be told ten times a second.
 */
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Message, NotificationMessage } from 'vscode-jsonrpc/node.js';
import { SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import { levelFor, partsMax } from '../../../app/contract/place-levels.ts';
import { sharesText } from '../../../app/contract/places.ts';
import type { JobEvent, JobEventOf } from '../../../app/contract/events.ts';
import { jobEventSchema } from '../../../app/contract/events.ts';

type Progress = JobEventOf<'progress'>;
export const madeUpBytes = 64 * 2 ** 40;
/** After so many the volume has crossed, and begins anew. */
const ticksPerVolume = 6000;

export class QuickProgress {
  readonly #server: Server;
  /** To all clients; who has not asked for events passes them over. */
  readonly #writers = new Set<SocketMessageWriter>();
  #last: Progress | undefined;
  /** So many have been told to whoever listens. */
  told = 0;

  static async listen(path: string, servicePath: string): Promise<QuickProgress> {
    const quick = new QuickProgress(servicePath);
    await new Promise<void>((resolve) => quick.#server.listen(path, resolve));
    return quick;
  }

  private constructor(servicePath: string) {
    this.#server = createServer((client) => this.#join(client, connect(servicePath)));
  }

  /** A job has told some of its own, so that there is something to go by. */
  get isReady(): boolean {
    return this.#last !== undefined;
  }

  /** Returns what people see of it: how much has crossed. */
  async tell(): Promise<Progress | undefined> {
    if (this.#last === undefined) return undefined;
    const event = madeUp(this.#last, this.told);
    this.told += 1;
    const message = { jsonrpc: '2.0', method: 'event', params: event } as NotificationMessage;
    // Who goes meanwhile hears nothing.
    await Promise.all([...this.#writers].map((writer) => writer.write(message).catch(() => undefined)));
    return event;
  }

  close(): void {
    this.#server.close();
  }

  #join(client: Socket, service: Socket): void {
    client.pipe(service);
    const writer = new SocketMessageWriter(client);
    new SocketMessageReader(service).listen((message) => {
      const progress = progressIn(message);
      if (progress === undefined) void writer.write(message).catch(() => undefined);
      else this.#last = progress;
    });
    this.#writers.add(writer);
    for (const socket of [client, service]) {
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#writers.delete(writer);
        client.destroy();
        service.destroy();
      });
    }
  }
}

function progressIn(message: Message): Progress | undefined {
  const { method, params } = message as Partial<NotificationMessage>;
  if (method !== 'event') return undefined;
  const event: JobEvent | undefined = jobEventSchema.safeParse(params).data;
  return event?.event === 'progress' ? event : undefined;
}

function madeUp(last: Progress, tick: number): Progress {
  const crossed = (tick % ticksPerVolume) / ticksPerVolume;
  const parts = (share: (part: number) => number): string =>
    sharesText(Uint8Array.from({ length: partsMax }, (_, part) => levelFor(share(part), 1)));
  const hasCrossed = (part: number): number => Math.min(1, Math.max(0, crossed * partsMax - part));
  return {
    ...last,
    ...{ phase: 'copying', timeMs: Date.now(), totalBytes: madeUpBytes },
    ...{ copiedBytes: Math.floor(crossed * madeUpBytes), pendingBytes: Math.ceil((1 - crossed) * madeUpBytes) },
    toReturnBytes: Math.floor((crossed * madeUpBytes) / 7),
    copyBytesPerSecond: 900e6 + 100e6 * Math.sin(tick / 20),
    consumer: { readIops: 900 + (tick % 100), writeIops: 400, p50Us: 90, p99Us: 900 + 600 * Math.cos(tick / 30), longestStallMs: 12 },
    etaSeconds: Math.ceil((1 - crossed) * 70_000),
    places: {
      ...{ partBytes: madeUpBytes / partsMax, crossed: parts(hasCrossed), free: '', unreadable: '' },
      // Programs write here and there, each time elsewhere.
      written: parts((part) => (part * 7 + tick) % 31 === 0 ? hasCrossed(part) : 0),
    },
  };
}
