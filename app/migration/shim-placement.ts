/**
 * What the ways have in common whose users are on a linear device of ours over the virtual device (substitution/shim.ts):
 * how it comes, what of it goes direct, that the cut-over only leads its table to the destination while it is in use,
 * and that a successor finds it as it is. After the cut-over the kernel removes it when its users let it go.
 */
import { afterFailure } from '../base/error.ts';
import { Shim } from '../substitution/shim.ts';
import { Ferry } from './ferry.ts';
import type { FerryOptions } from './ferry.ts';
import type { Placement } from './placement.ts';

export abstract class ShimPlacement implements Placement {
  protected readonly shim: Shim;
  readonly #options: FerryOptions;

  constructor(options: FerryOptions) {
    const { job, plan } = options;
    this.#options = options;
    this.shim = new Shim({ job, sizeBytes: plan.source.sizeBytes });
  }

  abstract putIn(): Promise<Ferry>;
  abstract settle(): Promise<void>;
  abstract goBack(ferry: Ferry): Promise<void>;
  abstract settleOn(device: string): Promise<void>;

  get staysOn(): string | null {
    return this.shim.staysOn;
  }

  /** As after `settle`: whoever is there stays where he is. */
  async adopt(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options);
    try {
      await this.shim.adopt(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.abandon());
    }
  }

  deviceOf(): string {
    return this.shim.path;
  }

  async goDirect(ferry: Ferry, endBytes: number): Promise<void> {
    await this.shim.moveTo({ ...(await ferry.placeUpTo(endBytes)), flushFd: null });
  }

  async leaveDirect(ferry: Ferry): Promise<void> {
    await this.shim.moveTo({ to: ferry.virtualNumber, flushFd: null });
  }

  async beforeCommit(): Promise<void> {}

  async afterCommit(ferry: Ferry): Promise<void> {
    await this.shim.moveTo({ to: ferry.destinationNumber, flushFd: null });
    await this.shim.leaveToUsers();
    await ferry.detach();
  }

  takePauseMs(): number | undefined {
    return this.shim.takePauseMs();
  }

  /** The virtual device, and ours over it. */
  protected async bringUp(): Promise<Ferry> {
    const ferry = await Ferry.bringUp(this.#options);
    try {
      await this.shim.make(ferry.virtualNumber);
      return ferry;
    } catch (error) {
      throw await afterFailure(error, () => ferry.releaseUnused());
    }
  }
}
