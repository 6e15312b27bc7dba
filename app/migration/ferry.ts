/**
 * The running heart of a job: both disks open, claimed and hidden (ferry-disks.ts), an engine that serves the
 * virtual device, and the device itself. Brought up once, taken down once; what was acquired is released in
 * reverse whatever fails in between.
 *
 * Each disk becomes recognisable again at one instant only: the destination at the commit, the source at the
 * end of an undo, after the journal has said so.
 */
import { afterFailure, BugError, DiskferryError, bothOf, present } from '../base/error.ts';
import { ReleaseStack } from '../base/release.ts';
import { sectorBytes } from '../base/units.ts';
import type { Plan, Speed } from '../contract/plan.ts';
import { deviceNumberAt } from '../devices/block-device.ts';
import { findDirectDevice, makeDirectDevice } from '../devices/direct-device.ts';
import { guardedSpans } from '../devices/direct-part.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import type { MappedDevice } from '../devices/device-mapper.ts';
import { removeMapped } from '../devices/device-mapper.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { dropCache } from '../devices/open-disk.ts';
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
import { Appearance } from './appearance.ts';
import type { DiskOptions, FerryDisks } from './ferry-disks.ts';
import { openDisks } from './ferry-disks.ts';
import type { JobJournal } from './job-journal.ts';

export interface FerryOptions extends DiskOptions {
  readonly speed: Speed;
  readonly journal: JobJournal;
  /** The job's own directory; the FUSE file is mounted in it. */
  readonly directory: string;
  /** Where the nbd-socket frontend listens. */
  readonly socketPath: string;
  /** The source is claimed and hidden, and nobody uses the virtual device yet. */
  readonly beforeUse: (source: OpenDisk) => Promise<void>;
  /** What it takes for a successor to go on when this process is killed; undefined where none can. */
  readonly survival?: Survival | undefined;
}

export interface Survival {
  readonly live: LiveFiles;
  /** /dev/fuse, which the supervisor has open as well; undefined over another frontend. */
  readonly fuseFd: number | undefined;
  readonly keeper: DeviceKeeper;
  /** How the process died that a successor follows. */
  readonly why: string;
}

interface FerryParts extends Pick<FerryOptions, 'job' | 'shown'> {
  readonly plan: Plan;
  readonly engine: Engine;
  readonly host: DeviceHost;
  readonly device: VirtualDevice;
  readonly disks: FerryDisks;
  readonly held: ReleaseStack;
  /** By which users reach a part of the destination since the time of a process that was killed. */
  readonly direct: MappedDevice | undefined;
  /** The journal says that the start has failed, and the source is the volume. */
  readonly sayUnused: () => Promise<void>;
}

export class Ferry {
  readonly engine: Engine;
  readonly device: VirtualDevice;
  readonly #job: string;
  readonly #plan: Plan;
  readonly #host: DeviceHost;
  readonly #disks: FerryDisks;
  readonly #held: ReleaseStack;
  readonly #appearance: Appearance;
  readonly #sayUnused: () => Promise<void>;
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
    this.#disks = parts.disks;
    this.#held = parts.held;
    this.#appearance = new Appearance(parts);
    this.#sayUnused = parts.sayUnused;
    if (parts.direct !== undefined) this.#keepDirect(parts.direct);
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
   * Once the journal says `committing`, a crash does not lead back any more, and from here on the destination is
   * the one that programs recognise; the source stays masked.
   */
  async commit(): Promise<void> {
    await this.engine.flushDestination();
    await this.#appearance.showDestination();
    await dropCache(this.#disks.destination);
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
    const { mappedUsers, source } = this.#plan;
    const { sizeBytes } = source;
    // What is encrypted cannot be recognised, and its device moves as a whole or not at all.
    const isEncrypted = mappedUsers.some(({ kind }) => kind === 'luks');
    if (endBytes === sizeBytes && isEncrypted) return { to: this.destinationNumber };
    const device = this.#directNumber ?? (await this.#makeDirectDevice(sizeBytes));
    const kept = guardedSpans(new GuardPlaces(sizeBytes));
    return { to: this.virtualNumber, direct: { device, endSector: endBytes / sectorBytes, kept } };
  }

  async #makeDirectDevice(sizeBytes: number): Promise<string> {
    const device = await makeDirectDevice({
      job: this.#job,
      destination: this.destinationNumber,
      sizeBytes,
    });
    this.#keepDirect(device);
    return device.majorMinor;
  }

  #keepDirect({ name, majorMinor }: MappedDevice): void {
    this.#directNumber = majorMinor;
    this.#held.add(name, () => removeMapped(name));
    this.#held.add(`the counts of ${name}`, this.engine.countDirect(majorMinor));
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
    return this.#disks.source;
  }

  /** On the source itself: to make durable what consumers have written there. */
  get sourceFd(): number {
    return this.#disks.source.base.fd;
  }

  /**
   * Undo: what the consumer wrote goes back to the source, while he goes on; from now on his writes go to
   * both disks. All that was acknowledged before the call is on the source then, durably. May be called
   * again.
   */
  returnWritten(): Promise<void> {
    // One after the other: the end of an earlier call must not be taken for the end of this one.
    return this.#afterLastReturn(async () => {
      await this.#return();
      await this.#appearance.lookAtSource();
    });
  }

  /**
   * The same while nobody writes, and the source is the truth then, also after a crash: from now on programs
   * recognise it, and its users may write to it without us. Those who stay on the virtual device for a while
   * are mirrored still. `isHeld`: users wait for it.
   */
  returnAll({ isHeld }: { readonly isHeld: boolean }): Promise<void> {
    return this.#afterLastReturn(async () => {
      await this.#return();
      await this.#appearance.showSource(isHeld);
      await dropCache(this.#disks.source);
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
    await dropCache(this.#disks.source);
  }

  async #return(): Promise<void> {
    if (await this.#appearance.hideDestination()) await dropCache(this.#disks.destination);
    await this.engine.returnWritten(await this.#disks.sourceForWriting.fd());
    await dropCache(this.#disks.source);
  }

  /** The job has not started after all, and the source has everything: an image made for it is of no use. */
  removeNewImage(): void {
    this.#disks.newImage?.remove();
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

  /** The same before anybody has used the virtual device: the source is the volume, as before the start. */
  async releaseUnused(): Promise<void> {
    try {
      // Whatever becomes of the word; and when this fails, it is known that the record must stay.
      await this.#sayUnused().catch(async (error: unknown) => {
        throw await afterFailure(error, () => this.#disks.takeBack());
      });
      await this.#disks.takeBack();
    } finally {
      await this.release();
    }
  }
}

async function acquire(options: FerryOptions, held: ReleaseStack): Promise<Ferry> {
  const { plan, job } = options;
  const takenOver = options.survival?.live.found;
  const disks = await openDisks(options, takenOver !== undefined, held);
  const { source, destination, freeExtents } = disks;
  const { sizeBytes, logicalBlockBytes, physicalBlockBytes } = plan.source;
  const geometry: DeviceGeometry = { sizeBytes, logicalBlockBytes, physicalBlockBytes };
  const setting = {
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
  const engine = await Engine.start({ ...setting, names, frontend: host.choice });
  held.add('the engine', () => engine.stop());
  if (takenOver === undefined) await options.beforeUse(source);
  const isNew = takenOver === undefined && !options.isRecovered;
  // Like an undo's: whoever finds the record then knows that the source is the volume, whether or not it shows.
  const sayUnused = (): Promise<void> => (isNew ? engine.enterPhase(jobPhases.undone) : Promise.resolve());
  const keepWord = held.add("the journal's word", sayUnused);
  // Its flags may become durable at once: never before there is a sample to tell that the source has been used since.
  if (freeExtents.length > 0) await engine.skip(freeExtents);
  const device = await (takenOver === undefined ? host.attach(geometry) : adopt(host, takenOver.device));
  held.add('the virtual device', () => device.detach());
  const direct = takenOver === undefined ? undefined : await findDirect(options);
  disks.keep();
  keepWord();
  return new Ferry({ job, plan, engine, host, device, disks, held, direct, sayUnused, shown: options.shown });
}

async function findDirect({ job, plan }: FerryOptions): Promise<MappedDevice | undefined> {
  const { source, destination, usesDeviceMapper } = plan;
  if (!usesDeviceMapper) return undefined;
  const { majorMinor } = present(destination.identity, 'a block device has an identity');
  return findDirectDevice({ job, destination: majorMinor, sizeBytes: source.sizeBytes });
}

/** The device stays as it is, with its users. */
function adopt(host: DeviceHost, device: string): Promise<VirtualDevice> {
  if (host.adopt === undefined) throw new BugError('a virtual device that cannot be taken over was');
  return host.adopt(device);
}

function makeHost(options: FerryOptions): Promise<DeviceHost> | DeviceHost {
  switch (options.plan.frontend) {
    case 'fuse':
      return makeFuseHost(options);
    case 'ublk':
      return makeUblkHost(options);
    case 'nbd':
      return makeNbdHost(options);
    case 'nbd-socket':
      return NbdSocket.listen(options.socketPath);
  }
}

/**
 * Users get a device of device-mapper over it. Live they lie on it themselves, and LVM must see it.
 */
function isBelowOurOwn({ way, usesDeviceMapper }: Plan): boolean {
  return usesDeviceMapper && way !== 'live';
}

function makeUblkHost({ plan, survival }: FerryOptions): Promise<UblkHost> {
  const found = survival?.live.found;
  return found === undefined ? UblkHost.add({ isPrivate: isBelowOurOwn(plan) }) : UblkHost.takeOver(found.device);
}

function makeNbdHost({ job, plan, survival }: FerryOptions): Promise<NbdKernelHost> {
  return NbdKernelHost.make({ job, isPrivate: isBelowOurOwn(plan), keeper: survival?.keeper });
}

function makeFuseHost({ directory, job, plan, survival }: FerryOptions): Promise<FuseHost> | FuseHost {
  const isPrivate = isBelowOurOwn(plan);
  const options = { directory, job, isPrivate, sharedFd: survival?.fuseFd, keeper: survival?.keeper };
  return survival?.live.found === undefined ? FuseHost.mount(options) : FuseHost.takeOver(options);
}
