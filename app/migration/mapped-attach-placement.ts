/**
 * A volume that nothing uses, with device-mapper: whoever comes finds it on a linear device of ours over the
 * virtual device. He may stay there, mounted or however he uses it: at the cut-over the device's table leads to
 * the destination, and at the end of an undo to the source, as in live-placement.ts. The kernel removes the
 * device when he lets it go.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import { ensureDeviceMapper } from '../devices/device-mapper.ts';
import { Shim } from '../substitution/shim.ts';
import { Ferry } from './ferry.ts';
import type { FerryOptions } from './ferry.ts';
import type { Placement } from './placement.ts';

export class MappedAttachPlacement implements Placement {
  readonly #options: FerryOptions;
  readonly #shim: Shim;
  /** Of an undo: the source has everything, and whoever came has it. */
  #isBack = false;

  constructor(options: FerryOptions) {
    const { job, plan } = options;
    this.#options = options;
    this.#shim = new Shim({ job, sizeBytes: plan.source.sizeBytes });
  }

  get staysOn(): string | null {
    return this.#shim.staysOn;
  }

  async putIn(): Promise<Ferry> {
    await ensureDeviceMapper();
    const ferry = await Ferry.bringUp(this.#options);
    try {
      await this.#shim.make(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.releaseUnused());
    }
  }

  /** As after `putIn`: whoever has come stays where he is. */
  async adopt(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options);
    try {
      await this.#shim.adopt(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.abandon());
    }
  }

  deviceOf(): string {
    return this.#shim.path;
  }

  async settle(): Promise<void> {}

  async goDirect(ferry: Ferry, endBytes: number): Promise<void> {
    await this.#shim.moveTo({ ...(await ferry.placeUpTo(endBytes)), flushFd: null });
  }

  async leaveDirect(ferry: Ferry): Promise<void> {
    await this.#shim.moveTo({ to: ferry.virtualNumber, flushFd: null });
  }

  async beforeCommit(): Promise<void> {}

  async afterCommit(ferry: Ferry): Promise<void> {
    await this.#shim.moveTo({ to: ferry.destinationNumber, flushFd: null });
    await this.#shim.leaveToUsers();
    await ferry.detach();
  }

  async goBack(ferry: Ferry): Promise<void> {
    if (!this.#isBack && !(await this.#removeUnused())) {
      await this.#shim.moveAfter(ferry.sourceNumber, () => ferry.returnAll({ isHeld: true }));
      this.#isBack = true;
    }
    if (this.#isBack) await this.#shim.leaveToUsers();
    await ferry.detach();
    if (!this.#isBack) await ferry.returnAll({ isHeld: false });
    this.#isBack = true;
  }

  async settleOn(): Promise<void> {}

  takePauseMs(): number | undefined {
    return this.#shim.takePauseMs();
  }

  /** Without users nobody's I/O has to be held, however long the source takes. False: somebody has come. */
  async #removeUnused(): Promise<boolean> {
    if (!this.#shim.isOurs) return true;
    if (!(await this.#shim.isUnused())) return false;
    try {
      await this.#shim.remove();
      return true;
    } catch (error) {
      if (error instanceof DiskferryError && error.code === 'device-in-use') return false;
      throw error;
    }
  }
}
