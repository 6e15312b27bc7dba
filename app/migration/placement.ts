/**
 * How the virtual device gets into the source's place under its users, and how they get along without it
 * again. One implementation for each way (plain-placement.ts, mapped-attach-placement.ts, remount-placement.ts,
 * live-placement.ts); the job calls the steps in this order and owns the commit between them:
 *
 *   putIn → settle → beforeCommit → (commit) → afterCommit → (all goes) → settleOn the destination
 *              └─────────┴─ goBack → (all goes) → settleOn the source
 *
 * All that goes are the engine and the claims.
 *
 * Between settle and beforeCommit, where tables can change, users may go direct (graduation.ts), and before
 * goBack they leave that again.
 *
 * Always holds: when a step fails, the users run where they ran before it. Each step after `putIn` may be
 * called again.
 */
import { Users } from '../substitution/users.ts';
import type { UsersToStop } from '../substitution/users.ts';
import { VolumeMounts } from '../substitution/volume-mounts.ts';
import type { Ferry, FerryOptions } from './ferry.ts';
import { LivePlacement } from './live-placement.ts';
import { MappedAttachPlacement } from './mapped-attach-placement.ts';
import { PlainPlacement } from './plain-placement.ts';
import { RemountPlacement } from './remount-placement.ts';

export interface Placement {
  /**
   * The virtual device is there, for the users to settle on. Of a job that goes on after a crash nobody has
   * the volume, and when this fails nobody gets it: the source alone is not it any more.
   */
  putIn(): Promise<Ferry>;
  /** Instead of `putIn` and `settle`, by a successor: everybody stays where he is. Absent where that cannot be. */
  adopt?(): Promise<Ferry>;
  /** What consumers use: a block device's path or an `nbd+unix:` URI. After `putIn`. */
  deviceOf(ferry: Ferry): string;
  /** The users run on the virtual device. When it fails, `goBack` takes back what has been done. */
  settle(ferry: Ferry): Promise<void>;
  /** What has crossed up to here users reach past the virtual device, as far as their tables allow it. */
  goDirect?(ferry: Ferry, endBytes: number): Promise<void>;
  /** All that users have is on the virtual device again. */
  leaveDirect?(ferry: Ferry): Promise<void>;
  /** What must be before the destination can be the truth. Throws `volume-busy` with the users as before. */
  beforeCommit(ferry: Ferry): Promise<void>;
  /** The destination is the truth, and nobody needs the virtual device any more. */
  afterCommit(ferry: Ferry): Promise<void>;
  /**
   * Undo, after all has been returned once and while writes go to both disks: nobody uses the virtual device
   * any more, and the source has everything that was written until then.
   */
  goBack(ferry: Ferry): Promise<void>;
  /** Users that were stopped run on one of the two disks. */
  settleOn(device: string): Promise<void>;
  /**
   * How long I/O has stood still at the most for changes of tables since asked last; undefined: there were
   * none.
   */
  takePauseMs(): number | undefined;
  /** The device of ours that consumers stay on after the end of the job. */
  readonly staysOn: string | null;
}

export interface PlacementOptions {
  readonly users: UsersToStop;
  /** Of the LUKS container that lies on the source; whoever uses it wipes it. */
  readonly passphrase: Uint8Array | undefined;
  readonly ferry: FerryOptions;
}

export function makePlacement({ users, passphrase, ferry }: PlacementOptions): Placement {
  const { plan } = ferry;
  if (plan.way === 'live') return new LivePlacement({ ferry, passphrase });
  if (plan.way === 'attach' && plan.usesDeviceMapper) return new MappedAttachPlacement(ferry);
  const options = ferry.isRecovered
    ? { users: new Users(users, 'stopped'), mounts: new VolumeMounts(plan.mounts, 'recovered'), ferry }
    : { users: new Users(users), mounts: new VolumeMounts(plan.mounts), ferry };
  return plan.usesDeviceMapper ? new RemountPlacement(options) : new PlainPlacement(options);
}
