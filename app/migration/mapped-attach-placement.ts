/**
 * A volume that nothing uses, with device-mapper: whoever comes finds it on a linear device of ours over the
 * virtual device (shim-placement.ts). He may stay there, mounted or however he uses it: at the end of an undo its
 * table leads to the source, as in live-placement.ts.
 */
import { DiskferryError } from '../base/error.ts';
import { ensureDeviceMapper } from '../devices/device-mapper.ts';
import type { Ferry } from './ferry.ts';
import { ShimPlacement } from './shim-placement.ts';

export class MappedAttachPlacement extends ShimPlacement {
  /** Of an undo: the source has everything, and whoever came has it. */
  #isBack = false;

  async putIn(): Promise<Ferry> {
    await ensureDeviceMapper();
    return this.bringUp();
  }

  async settle(): Promise<void> {}

  async goBack(ferry: Ferry): Promise<void> {
    if (!this.#isBack && !(await this.#removeUnused())) {
      await this.shim.moveAfter(ferry.sourceNumber, () => ferry.returnAll({ isHeld: true }));
      this.#isBack = true;
    }
    if (this.#isBack) await this.shim.leaveToUsers();
    await ferry.detach();
    if (!this.#isBack) await ferry.returnAll({ isHeld: false });
    this.#isBack = true;
  }

  async settleOn(): Promise<void> {}

  /** Without users nobody's I/O has to be held, however long the source takes. False: somebody has come. */
  async #removeUnused(): Promise<boolean> {
    if (!this.shim.isOurs) return true;
    if (!(await this.shim.isUnused())) return false;
    try {
      await this.shim.remove();
      return true;
    } catch (error) {
      if (error instanceof DiskferryError && error.code === 'device-in-use') return false;
      throw error;
    }
  }
}
