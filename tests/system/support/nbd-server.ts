/**
 * A process that serves two image files over NBD with the real ring, router and frontend, and nothing else of
 * an engine: no copy loop, no worker. Forked by nbd-protocol.test.ts; its argument is a `ServerSetting` as
 * JSON. Says 'ready' when it listens; the message 'close' makes it let its clients go and end.
 *
 * Between two turns of the ring the event loop runs, so that messages arrive; an engine does without.
 */
import { closeSync, openSync } from 'node:fs';
import { BufferPool } from '../../../app/base/buffer-pool.ts';
import { BugError } from '../../../app/base/error.ts';
import { blockBytes } from '../../../app/base/units.ts';
import type { Extent } from '../../../app/base/units.ts';
import type { Disk, DiskIoClient, Offsets } from '../../../app/devices/disk-io.ts';
import { source } from '../../../app/devices/disk-io.ts';
import type { RingDiskIoOptions } from '../../../app/devices/ring-disk-io.ts';
import { RingDiskIo, diskIoPoolBytes } from '../../../app/devices/ring-disk-io.ts';
import { FlagMap } from '../../../app/flags/flag-map.ts';
import { RangesInFlight } from '../../../app/flags/ranges-in-flight.ts';
import { UnreadableBlocks } from '../../../app/flags/unreadable-blocks.ts';
import { NoJournal } from '../../../app/journal/round-journal.ts';
import { connectionsMax, nbdPoolBytes } from '../../../app/frontends/nbd/connection.ts';
import { NbdFrontend } from '../../../app/frontends/nbd/nbd-frontend.ts';
import { ConsumerMeter, consumerMeterBytes } from '../../../app/router/consumer-meter.ts';
import { RequestTable, requestSlotBytes } from '../../../app/router/request.ts';
import { Router } from '../../../app/router/router.ts';
import { addon } from '../../../native/binding.ts';
import { Ring } from '../../../native/ring.ts';

export interface ServerSetting {
  readonly socketPath: string;
  readonly sourcePath: string;
  readonly destinationPath: string;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  /** Reads of the source that touch it fail with EIO. */
  readonly unreadable?: Extent;
}

const requestSlots = 96;
const turnUsMax = 20_000;
const owner = { disks: 2, frontend: 3 } as const;
const errnoIo = -5;

/** A disk with a bad spot. */
class DiskIoWithBadSpot extends RingDiskIo {
  readonly #bad: Extent;

  constructor(options: RingDiskIoOptions, bad: Extent) {
    super(options);
    this.#bad = bad;
  }

  override read(
    disk: Disk,
    offsets: Offsets,
    length: number,
    buffer: number,
    client: DiskIoClient,
    tag: number,
  ): void {
    const offset = offsets[tag] as number;
    const touches =
      offset < this.#bad.offsetBytes + this.#bad.lengthBytes && this.#bad.offsetBytes < offset + length;
    if (disk !== source || !touches) super.read(disk, offsets, length, buffer, client, tag);
    else setImmediate(() => client.diskOperationDone(tag, errnoIo));
  }
}

class Server {
  readonly #setting: ServerSetting;
  readonly #ring: Ring;
  readonly #io: RingDiskIo;
  readonly #frontend: NbdFrontend;
  readonly #fds: number[];

  constructor(setting: ServerSetting) {
    this.#setting = setting;
    const { sizeBytes, logicalBlockBytes } = setting;
    const listenFd = addon().listenUnix(setting.socketPath, 64);
    this.#fds = [openSync(setting.sourcePath, 'r'), openSync(setting.destinationPath, 'r+'), listenFd];
    const poolBytes = requestSlots * requestSlotBytes + diskIoPoolBytes + nbdPoolBytes(connectionsMax);
    const pool = new BufferPool(poolBytes, (view) => addon().misalignmentBytes(view));
    this.#ring = new Ring(pool);
    const requests = new RequestTable(requestSlots, pool);
    this.#io = this.#disks(pool);
    const blockCount = Math.ceil(sizeBytes / blockBytes);
    const router = new Router({
      sizeBytes,
      logicalBlockBytes,
      requests,
      pool,
      io: this.#io,
      flags: new FlagMap(blockCount),
      written: new FlagMap(blockCount),
      copied: new FlagMap(blockCount),
      ranges: new RangesInFlight(requestSlots),
      unreadable: new UnreadableBlocks(blockCount),
      journal: new NoJournal(),
      meter: new ConsumerMeter(new SharedArrayBuffer(consumerMeterBytes)),
      clockUs: this.#ring.clockUs,
    });
    const frontendSetting = {
      ring: this.#ring,
      ringOwner: owner.frontend,
      pool,
      requests,
      handler: router,
      geometry: { sizeBytes, logicalBlockBytes, physicalBlockBytes: logicalBlockBytes },
    };
    this.#frontend = new NbdFrontend(frontendSetting, { listenFd });
    router.connect(this.#frontend);
  }

  close(): void {
    this.#frontend.stopAccepting();
  }

  turn(): void {
    this.#frontend.prepareTurn();
    const count = this.#ring.submitAndWait(1, turnUsMax);
    for (let index = 0; index < count; index += 1) this.#dispatch(index);
    if (this.#frontend.isClosed && this.#io.inFlight === 0) this.#end();
    else setImmediate(() => this.turn());
  }

  #dispatch(index: number): void {
    const tag = this.#ring.completionTag(index);
    const result = this.#ring.completionResult(index);
    const operation = tag & 0xffffff;
    if (tag >>> 24 === owner.disks) this.#io.ringDone(operation, result);
    else this.#frontend.ringDone(operation, result);
  }

  #disks(pool: BufferPool): RingDiskIo {
    const [sourceFd, destinationFd] = this.#fds;
    if (sourceFd === undefined || destinationFd === undefined) throw new BugError('two disks were opened');
    const options = { ring: this.#ring, ringOwner: owner.disks, pool, sourceFd, destinationFd };
    const bad = this.#setting.unreadable;
    return bad === undefined ? new RingDiskIo(options) : new DiskIoWithBadSpot(options, bad);
  }

  #end(): void {
    this.#ring.close();
    for (const fd of this.#fds) closeSync(fd);
    process.disconnect();
  }
}

const server = new Server(JSON.parse(process.argv[2] ?? '') as ServerSetting);
process.on('message', () => server.close());
process.send?.('ready');
server.turn();
