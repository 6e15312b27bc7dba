/**
 * The running heart of a job: both disks open and claimed, an engine that serves the virtual device, and the
 * device itself. Brought up once, taken down once; what was acquired is released in reverse whatever fails in
 * between.
 *
 * The disks are opened exactly once each, exclusively, and only after their identities have been compared
 * with the plan on the very file descriptor (invariant 9). Later uses go through that descriptor, never
 * through the path.
 */
import { BugError, DiskferryError, bothOf, present } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import { sectorBytes } from '../base/units.ts';
import type { Extent } from '../base/units.ts';
import type { Plan, PlannedDisk, Speed } from '../contract/plan.ts';
import type { NewImage } from '../devices/image-file.ts';
import { createImageFile } from '../devices/image-file.ts';
import { deviceNumberAt } from '../devices/block-device.ts';
import { makeDirectDevice } from '../devices/direct-device.ts';
import { removeMapped } from '../devices/device-mapper.ts';
import type { Claim, OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, dropCache, openDisk, WritingHandle } from '../devices/open-disk.ts';
import { openPrivateDisk } from '../devices/private-disk.ts';
import { Engine } from '../engine/engine.ts';
import type { DeviceHost, DeviceKeeper, VirtualDevice } from '../engine/device-host.ts';
import { FuseHost } from '../engine/fuse-device.ts';
import type { LiveFiles } from '../engine/live-files.ts';
import { NbdSocket } from '../engine/nbd-device.ts';
import { NbdKernelHost } from '../engine/nbd-kernel-device.ts';
import { UblkHost } from '../engine/ublk-device.ts';
import type { DeviceGeometry } from '../frontends/frontend.ts';
import { readMappedUsers } from '../substitution/mapped-users.ts';
import { BypassWatch } from '../substitution/bypass-watch.ts';
import type { Place } from '../substitution/mapped-volume.ts';
import { jobPhases } from '../journal/job-phase.ts';
import type { JobJournal } from './job-journal.ts';

export interface FerryOptions {
  readonly job: string;
  readonly plan: Plan;
  readonly speed: Speed;
  readonly journal: JobJournal;
  /** The job's own directory; the FUSE file is mounted in it. */
  readonly directory: string;
  /** Where the nbd-socket frontend listens. */
  readonly socketPath: string;
  /**
   * Finds what nobody relies on, so that it is not copied. Asked when the source is claimed and nobody else
   * can mount it any more: only then does the answer stay true. `descriptor` is the claimed source's own
   * path.
   */
  readonly findFree: (descriptor: string) => Promise<readonly Extent[]>;
  /** The source is claimed, and nobody has used the virtual device yet. */
  readonly beforeUse: (source: OpenDisk) => Promise<void>;
  /** The job goes on after a crash: nobody uses either disk, and both are claimed whole. */
  readonly isRecovered: boolean;
  /** What it takes for a successor to go on when this process is killed; undefined where none can. */
  readonly survival?: Survival | undefined;
}

export interface Survival {
  readonly live: LiveFiles;
  /** /dev/fuse, which the supervisor has open as well. */
  readonly fuseFd: number;
  readonly keeper: DeviceKeeper;
  /** How the process died that a successor follows. */
  readonly why: string;
}

interface FerryParts {
  readonly job: string;
  readonly plan: Plan;
  readonly engine: Engine;
  readonly host: DeviceHost;
  readonly device: VirtualDevice;
  readonly source: OpenDisk;
  /** For undo. */
  readonly sourceForWriting: WritingHandle;
  readonly destination: OpenDisk;
  /** The destination, when `--create` made it. */
  readonly newImage: NewImage | undefined;
  readonly held: ReleaseStack;
}

export class Ferry {
  readonly engine: Engine;
  readonly device: VirtualDevice;
  readonly #job: string;
  readonly #plan: Plan;
  readonly #host: DeviceHost;
  readonly #source: OpenDisk;
  readonly #sourceForWriting: WritingHandle;
  readonly #destination: OpenDisk;
  readonly #newImage: NewImage | undefined;
  readonly #held: ReleaseStack;
  #directNumber: string | undefined;
  #lastReturn: Promise<unknown> = Promise.resolve();

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
    this.#job = parts.job;
    this.#plan = parts.plan;
    this.#host = parts.host;
    this.#source = parts.source;
    this.#sourceForWriting = parts.sourceForWriting;
    this.#destination = parts.destination;
    this.#newImage = parts.newImage;
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

  /**
   * Makes the destination durable and what it is seen as: the instant of the commit. Every block has crossed.
   * Once the journal says `committing`, a crash does not lead back any more.
   */
  async commit(): Promise<void> {
    await this.engine.flushDestination();
    await this.engine.enterPhase(jobPhases.committing);
    await dropCache(this.#destination);
    await this.engine.enterPhase(jobPhases.committed);
  }

  /** `majorMinor` of the virtual device, for device-mapper's tables. */
  get virtualNumber(): string {
    return deviceNumberAt(this.device.name);
  }

  get sourceNumber(): string {
    return present(this.#plan.source.identity, 'a disk that is there has an identity').majorMinor;
  }

  get destinationNumber(): string {
    return present(this.#plan.destination.identity, 'a block device has an identity').majorMinor;
  }

  /** Only device-mapper lets anybody come past our claims on the disks. After all users have been moved. */
  watchDisks(): BypassWatch | undefined {
    if (!this.#plan.usesDeviceMapper) return undefined;
    const { sourceNumber, destinationNumber, virtualNumber } = this;
    const watch = new BypassWatch({
      source: sourceNumber,
      destination: destinationNumber,
      virtual: virtualNumber,
    });
    watch.start();
    return watch;
  }

  /** `majorMinor` of the device by which users reach a part of the destination, once there is one. */
  get directNumber(): string | undefined {
    return this.#directNumber;
  }

  /**
   * Where users of the virtual device may be when everything up to there has crossed and counts as written.
   */
  async placeUpTo(endBytes: number): Promise<Place> {
    const { sizeBytes } = this.#plan.source;
    if (endBytes === sizeBytes) return { to: this.destinationNumber };
    const device = (this.#directNumber ??= await this.#makeDirectDevice(sizeBytes));
    return { to: this.virtualNumber, direct: { device, endSector: endBytes / sectorBytes } };
  }

  async #makeDirectDevice(sizeBytes: number): Promise<string> {
    const { name, majorMinor } = await makeDirectDevice({
      job: this.#job,
      destination: this.destinationNumber,
      sizeBytes,
    });
    this.#held.add(name, () => removeMapped(name));
    this.#held.add(`the counts of ${name}`, this.engine.countDirect(majorMinor));
    return majorMinor;
  }

  /** Where what lies on the virtual device by device-mapper begins there. */
  async usersBegin(): Promise<number[]> {
    const users = await readMappedUsers(this.virtualNumber);
    return users.flatMap(({ segments }) =>
      segments.flatMap(({ mapping }) =>
        'place' in mapping && mapping.place.device === this.virtualNumber
          ? [mapping.place.startSector * sectorBytes]
          : [],
      ),
    );
  }

  /** For a look at it. */
  get sourceDisk(): OpenDisk {
    return this.#source;
  }

  /** On the source itself: to make durable what consumers have written there. */
  get sourceFd(): number {
    return this.#source.base.fd;
  }

  /**
   * Undo: what the consumer wrote goes back to the source, while he goes on; from now on his writes go to
   * both disks. All that was acknowledged before the call is on the source then, durably. May be called
   * again.
   */
  returnWritten(): Promise<void> {
    // One after the other: the end of an earlier call must not be taken for the end of this one.
    return this.#afterLastReturn(() => this.#return());
  }

  /**
   * The same while nobody writes, and the source is the truth then, also after a crash: from now on its users
   * may write to it without us. Those who stay on the virtual device for a while are mirrored still.
   */
  returnAll(): Promise<void> {
    return this.#afterLastReturn(async () => {
      await this.#return();
      await this.engine.enterPhase(jobPhases.undone);
    });
  }

  #afterLastReturn(act: () => Promise<void>): Promise<void> {
    const returned = this.#lastReturn.then(act);
    this.#lastReturn = returned.catch(() => undefined);
    return returned;
  }

  /** Goes on with an undo that has failed, without what cannot be read any more. */
  async returnReadable(): Promise<void> {
    this.engine.acceptUnreadable();
    await this.engine.returned();
    await dropCache(this.#source);
  }

  async #return(): Promise<void> {
    await this.engine.returnWritten(await this.#sourceForWriting.fd());
    await dropCache(this.#source);
  }

  /** The job has not started after all, and the source has everything: an image made for it is of no use. */
  removeNewImage(): void {
    this.#newImage?.remove();
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
  const source = await open(options, 'source');
  held.add('the source', () => source.close());
  const sourceForWriting = new WritingHandle(source);
  held.add('the source for writing', () => sourceForWriting.close());
  const takenOver = options.survival?.live.found;
  const newImage = takenOver === undefined ? makeImage(plan.destination) : undefined;
  // Nothing of value can be in it before the virtual device is there.
  const keepImage = held.add('the new image', () => newImage?.remove());
  const destination = await open(options, 'destination');
  held.add('the destination', () => destination.close());
  await newImage?.assertIs(destination.handle);
  const freeExtents = takenOver === undefined ? await options.findFree(descriptorPath(source.base)) : [];

  const geometry: DeviceGeometry = {
    sizeBytes: plan.source.sizeBytes,
    logicalBlockBytes: plan.source.logicalBlockBytes,
    physicalBlockBytes: plan.source.physicalBlockBytes,
  };
  const disks = {
    geometry,
    sourceFd: source.handle.fd,
    destinationFd: destination.handle.fd,
    speed: options.speed,
    live: options.survival?.live.setting,
    verifies: plan.verifies,
    journal: options.journal.setting,
  };
  const host = await makeHost(options);
  held.add('the frontend', () => host.release());
  const { path: journal } = options.journal;
  const names = { source: plan.source.path, destination: plan.destination.path, journal };
  const engine = await Engine.start({ ...disks, names, frontend: host.choice });
  held.add('the engine', () => engine.stop());
  if (freeExtents.length > 0) await engine.skip(freeExtents);
  if (takenOver === undefined) await options.beforeUse(source);
  const device = await (takenOver === undefined ? host.attach(geometry) : adopt(host, takenOver.device));
  held.add('the virtual device', () => device.detach());
  keepImage();
  return new Ferry({
    job: options.job,
    plan,
    engine,
    host,
    device,
    source,
    sourceForWriting,
    destination,
    newImage,
    held,
  });
}

/** The device stays as it is, with its users. */
function adopt(host: DeviceHost, device: string): Promise<VirtualDevice> {
  if (host.adopt === undefined) throw new BugError('a virtual device that cannot be taken over was');
  return host.adopt(device);
}

function makeImage({ path, sizeBytes, toBeCreated }: PlannedDisk): NewImage | undefined {
  return toBeCreated ? createImageFile(path, sizeBytes) : undefined;
}

type DiskRole = 'source' | 'destination';

/** The source's own consumers stay on it when it is moved live; nobody else may have either disk. */
function open({ job, plan, survival, isRecovered }: FerryOptions, role: DiskRole): Promise<OpenDisk> {
  const planned: PlannedDisk = plan[role];
  const access = role === 'source' ? 'read' : 'write';
  const claim: Claim = role === 'source' && plan.way === 'live' && !isRecovered ? 'shared' : 'exclusive';
  const known = survival?.live.found === undefined ? 'by-plan' : 'by-boot';
  if (!plan.usesDeviceMapper) return openDisk(planned, access, claim, known);
  return openPrivateDisk(planned, { name: `diskferry-${job}-${role}`, access, claim });
}

function makeHost(options: FerryOptions): Promise<DeviceHost> | DeviceHost {
  switch (options.plan.frontend) {
    case 'fuse':
      return makeFuseHost(options);
    case 'ublk':
      return UblkHost.add();
    case 'nbd':
      return NbdKernelHost.make({ job: options.job });
    case 'nbd-socket':
      return NbdSocket.listen(options.socketPath);
  }
}

function makeFuseHost({ directory, job, survival }: FerryOptions): Promise<FuseHost> | FuseHost {
  const options = { directory, job, sharedFd: survival?.fuseFd, keeper: survival?.keeper };
  return survival?.live.found === undefined ? FuseHost.mount(options) : FuseHost.takeOver(options);
}
