/**
 * The running heart of a job: both disks open and claimed, an engine that serves the virtual device, and the device
 * itself. Brought up once, taken down once; what was acquired is released in reverse whatever fails in between.
 *
 * The disks are opened exactly once each, exclusively, and only after their identities have been compared with the
 * plan on the very file descriptor (invariant 9). Later uses go through that descriptor, never through the path.
 */
import { DiskferryError, bothOf } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import type { Extent } from '../base/units.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import { createImageFile } from '../devices/image-file.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, dropCache, openDisk, reopenForWriting } from '../devices/open-disk.ts';
import { Engine } from '../engine/engine.ts';
import type { DeviceHost, VirtualDevice } from '../engine/device-host.ts';
import { FuseHost } from '../engine/fuse-device.ts';
import { NbdSocket } from '../engine/nbd-device.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';

export interface FerryOptions {
  readonly job: string;
  readonly plan: Plan;
  readonly speed: Speed;
  /** The job's own directory; the FUSE file is mounted in it. */
  readonly directory: string;
  /** Where the nbd-socket frontend listens. */
  readonly socketPath: string;
  /**
   * Finds what nobody relies on, so that it is not copied. Asked when the source is claimed and nobody else can
   * mount it any more: only then does the answer stay true. `descriptor` is the claimed source's own path.
   */
  readonly findFree: (descriptor: string) => Promise<readonly Extent[]>;
}

interface FerryParts {
  readonly engine: Engine;
  readonly host: DeviceHost;
  readonly device: VirtualDevice;
  readonly source: OpenDisk;
  readonly destination: OpenDisk;
  readonly held: ReleaseStack;
}

export class Ferry {
  readonly engine: Engine;
  readonly device: VirtualDevice;
  readonly #host: DeviceHost;
  readonly #source: OpenDisk;
  readonly #destination: OpenDisk;
  readonly #held: ReleaseStack;

  static async bringUp(options: FerryOptions): Promise<Ferry> {
    const held = new ReleaseStack();
    try {
      return await acquire(options, held);
    } catch (error) {
      await held.releaseAll().catch((second: unknown) => {
        throw bothOf(error, second);
      });
      throw error;
    }
  }

  constructor(parts: FerryParts) {
    this.engine = parts.engine;
    this.device = parts.device;
    this.#host = parts.host;
    this.#source = parts.source;
    this.#destination = parts.destination;
    this.#held = parts.held;
    // Whatever waits for the virtual device then gets an error instead of waiting for ever.
    this.engine.died().catch(() => this.#host.abort());
  }

  /**
   * Takes the virtual device away. Throws `volume-busy`, and goes on serving, while a consumer still has it.
   * Afterwards nothing can reach the disks but the engine's own commands.
   */
  async detach(): Promise<void> {
    const { clientCount } = this.engine.progress;
    if (clientCount > 0) {
      const clients = clientCount === 1 ? 'a client is' : `${clientCount} clients are`;
      throw new DiskferryError('volume-busy', `${this.device.name}: ${clients} still connected`);
    }
    await this.device.detach();
    this.engine.pauseCopy();
    await this.engine.closeFrontend();
  }

  /** Makes the destination durable and what it is seen as: the instant of the commit. After `detach`. */
  async commit(): Promise<void> {
    await this.engine.flushDestination();
    await dropCache(this.#destination);
  }

  /** Undo: what the consumer wrote goes back to the source. After `detach`. */
  async returnWritten(): Promise<void> {
    const writable = await reopenForWriting(this.#source);
    try {
      await this.engine.returnWritten(writable.fd);
      await dropCache(this.#source);
    } finally {
      await writable.close();
    }
  }

  /** After the engine's death: consumers get errors instead of hanging, and everything is let go. */
  async abandon(): Promise<void> {
    this.#host.abort();
    await this.#held.releaseAll();
  }

  /** Stops the engine and lets go of both disks. */
  async release(): Promise<void> {
    await this.#held.releaseAll();
  }
}

async function acquire(options: FerryOptions, held: ReleaseStack): Promise<Ferry> {
  const { plan } = options;
  const source = await openDisk(plan.source, 'read');
  held.add('the source', () => source.handle.close());
  if (plan.destination.toBeCreated) createImageFile(plan.destination.path, plan.destination.sizeBytes);
  const destination = await openDisk(plan.destination, 'write');
  held.add('the destination', () => destination.handle.close());
  const freeExtents = await options.findFree(descriptorPath(source.handle));

  const geometry: DeviceGeometry = {
    sizeBytes: plan.source.sizeBytes,
    logicalBlockBytes: plan.source.logicalBlockBytes,
    physicalBlockBytes: plan.source.physicalBlockBytes,
  };
  const disks = { geometry, sourceFd: source.handle.fd, destinationFd: destination.handle.fd, speed: options.speed };
  const host = await makeHost(options);
  held.add('the frontend', () => host.release());
  const names = { source: plan.source.path, destination: plan.destination.path };
  const engine = await Engine.start({ ...disks, names, frontend: host.choice });
  held.add('the engine', () => engine.stop());
  if (freeExtents.length > 0) await engine.skip(freeExtents);
  const device = await host.attach(geometry);
  held.add('the virtual device', () => device.detach());
  return new Ferry({ engine, host, device, source, destination, held });
}

function makeHost(options: FerryOptions): Promise<DeviceHost> | DeviceHost {
  switch (options.plan.frontend) {
    case 'fuse':
      return FuseHost.mount(options.directory, options.job);
    case 'nbd-socket':
      return NbdSocket.listen(options.socketPath);
  }
}
