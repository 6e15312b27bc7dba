/**
 * Device-mapper devices that lie on the source, such as LVs or a LUKS container: their tables move to the
 * virtual device and later to the destination, and nobody who uses them notices more than a pause.
 *
 * Who is moved is looked up each time, by what lies on the device that is left: LVs are activated, extended
 * and removed while a job runs. LVM is kept from changing its group while tables move, and told where its
 * physical volume is then. Undo asks, while the I/O of each is held, whether the source has everything: only
 * what was refused at last goes back then.
 */
import { present } from '../base/error.ts';
import { ensureDeviceMapper } from '../devices/device-mapper.ts';
import { readTokenPassphrase } from '../devices/luks-token.ts';
import { readPhysicalVolume } from '../devices/physical-volume.ts';
import { forgetKeys, keysToUnlock, unlockKey } from '../devices/volume-key.ts';
import { MappedVolume } from '../substitution/mapped-volume.ts';
import type { OtherWays } from '../substitution/mapped-users.ts';
import { readMappedUsers } from '../substitution/mapped-users.ts';
import { VolumeGroup } from '../substitution/volume-group.ts';
import { Ferry } from './ferry.ts';
import type { FerryOptions } from './ferry.ts';
import type { Placement } from './placement.ts';

/** `number`: of the device that users lie on, as `majorMinor`. */
type Origin = OtherWays & { readonly number: string };

export interface LiveOptions {
  readonly ferry: FerryOptions;
  /** For LUKS2; wiped as soon as its key is known. */
  readonly passphrase: Uint8Array | undefined;
}

export class LivePlacement implements Placement {
  readonly staysOn = null;
  readonly #options: LiveOptions;
  readonly #sourceNumber: string;
  #group: VolumeGroup | undefined;
  /** What LVM takes for its physical volume now. */
  #place: string;
  #longestPauseMs: number | undefined;
  /** From a process that was killed. */
  #isAdopted = false;

  constructor(options: LiveOptions) {
    const { source } = options.ferry.plan;
    this.#options = options;
    this.#sourceNumber = present(source.identity, 'a disk that is in use has an identity').majorMinor;
    this.#place = source.path;
  }

  async putIn(): Promise<Ferry> {
    await ensureDeviceMapper();
    try {
      await this.#unlockKeys();
      this.#group = await this.#groupOn(this.#sourceNumber);
      return await Ferry.bringUp(this.#options.ferry);
    } catch (error) {
      forgetKeys();
      throw error;
    }
  }

  /**
   * As after `settle`. What the dead process was changing its watchdog has ended; who lies where is looked up when it is
   * needed, and so is the volume group, because LVM looks at every device, also at the one that waits to be served.
   */
  async adopt(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options.ferry);
    this.#place = ferry.device.name;
    this.#isAdopted = true;
    return ferry;
  }

  deviceOf(ferry: Ferry): string {
    return ferry.device.name;
  }

  async settle(ferry: Ferry): Promise<void> {
    const { name } = ferry.device;
    // Nobody lies on a source that is claimed; who comes finds the volume on the virtual device.
    if (this.#options.ferry.isRecovered) {
      this.#place = name;
      return;
    }
    await this.#moveFrom({ number: this.#sourceNumber }, name, (users) =>
      users.moveTo({ to: ferry.virtualNumber, flushFd: ferry.sourceFd }),
    );
  }

  /** LVM's physical volume stays the virtual device; only a LUKS container goes to the destination itself. */
  async goDirect(ferry: Ferry, endBytes: number): Promise<void> {
    const place = await ferry.placeUpTo(endBytes);
    await this.#moveFrom(onVirtual(ferry), ferry.device.name, (users) =>
      users.moveTo({ ...place, flushFd: null }),
    );
  }

  async leaveDirect(ferry: Ferry): Promise<void> {
    const all = { ...onVirtual(ferry), twin: ferry.destinationNumber };
    await this.#moveFrom(all, ferry.device.name, (users) =>
      users.moveTo({ to: ferry.virtualNumber, flushFd: null }),
    );
  }

  /**
   * Who has come meanwhile with a table that cannot be moved keeps us from committing, not from cutting over.
   */
  async beforeCommit(ferry: Ferry): Promise<void> {
    await readMappedUsers(ferry.virtualNumber);
  }

  async afterCommit(ferry: Ferry): Promise<void> {
    const to = ferry.destinationNumber;
    await this.#moveFrom(onVirtual(ferry), this.#plan.destination.path, (users) =>
      users.moveTo({ to, flushFd: null }),
    );
    await ferry.detach();
  }

  async goBack(ferry: Ferry): Promise<void> {
    await this.#moveFrom({ number: ferry.virtualNumber }, this.#plan.source.path, (users) =>
      users.isEmpty
        ? ferry.returnAll({ isHeld: false })
        : users.moveAfter(this.#sourceNumber, () => ferry.returnAll({ isHeld: true })),
    );
    await ferry.detach();
  }

  settleOn(): Promise<void> {
    forgetKeys();
    return Promise.resolve();
  }

  takePauseMs(): number | undefined {
    const pauseMs = this.#longestPauseMs;
    this.#longestPauseMs = undefined;
    return pauseMs;
  }

  get #plan(): FerryOptions['plan'] {
    return this.#options.ferry.plan;
  }

  async #unlockKeys(): Promise<void> {
    const { path } = this.#plan.source;
    let { passphrase } = this.#options;
    const tokenKey = this.#plan.mappedUsers.find((user) => user.tokenKey !== undefined)?.tokenKey;
    if (passphrase === undefined && tokenKey === undefined) return;
    try {
      const names = (await readMappedUsers(this.#sourceNumber)).flatMap(({ segments }) =>
        keysToUnlock(segments),
      );
      // After a crash nobody lies there, and the key may have gone with the last boot.
      if (names.length > 0 && tokenKey !== undefined) passphrase ??= readTokenPassphrase(path, tokenKey);
      if (passphrase === undefined) return;
      for (const name of names) await unlockKey(name, { path, passphrase });
    } finally {
      passphrase?.fill(0);
    }
  }

  /** Of the physical volume, if there is one. */
  async #groupOn(number: string): Promise<VolumeGroup | undefined> {
    if (!this.#plan.mappedUsers.some(({ kind }) => kind === 'lvm')) return undefined;
    const volume = await readPhysicalVolume(number);
    return volume === null ? undefined : new VolumeGroup(volume.groupName);
  }

  /** `path` is where LVM finds its physical volume from then on. */
  async #moveFrom(origin: Origin, path: string, move: (users: MappedVolume) => Promise<void>): Promise<void> {
    const { number, ...others } = origin;
    const work = async (): Promise<void> => {
      const users = new MappedVolume(await readMappedUsers(number, others), number);
      await move(users);
      const pauseMs = users.takePauseMs() ?? 0;
      this.#longestPauseMs = Math.max(this.#longestPauseMs ?? 0, pauseMs);
    };
    if (this.#isAdopted) this.#group ??= await this.#groupOn(number);
    if (this.#group === undefined) await work();
    else await this.#group.whileMoving({ from: this.#place, to: path }, work);
    this.#place = path;
  }
}

function onVirtual(ferry: Ferry): Origin {
  return { number: ferry.virtualNumber, direct: ferry.directNumber };
}
