/**
 * The guard around a job (DESIGN 5.4): at any moment, also after a power cut between any two writes, at most
 * one of the two disks can be recognised as the volume. What happens in transit is devices/masked-disk-io.ts.
 *
 *   step                                                     source     destination
 *   before                                                   known      anything
 *   begin: what the destination was is wiped                 known      nothing
 *   begin: the source is masked                              nothing    nothing
 *   copying                                                  nothing    nothing: what arrives is masked
 *   commit: the journal says so, then it is unmasked         nothing    known
 *   undo, instead: the journal says so, then it is unmasked  known      nothing: it stays masked
 *
 * Always through the claimed descriptors. Each step is durable before the next, and each may be repeated.
 * What programs see of a disk afterwards is asked of those programs, of disks whose users have to stop before
 * they do (foresight.ts); if one still sees something, the source is as it was and the job is refused.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { runCommand } from '../devices/command.ts';
import type { FoundIdentity, PlainDisk } from '../devices/disk-mask.ts';
import { findIdentities, maskDisk, plainDisk, unmaskDisk } from '../devices/disk-mask.ts';
import { recognisedBy } from '../devices/foreign-recognisers.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, dropCache } from '../devices/open-disk.ts';
import type { Foresight } from './foresight.ts';
import { isSameFinding, requireHidden, requireUnmasked, wipeBoth } from './foresight.ts';

/** A disk of a job, open. `fd` may write to it. */
export interface GuardedDisk {
  readonly planned: PlannedDisk;
  readonly open: OpenDisk;
  readonly fd: number;
}

export interface GuardOptions {
  readonly source: GuardedDisk;
  readonly destination: GuardedDisk;
}

/** Of a job that goes on after a crash. */
export interface GoingOn {
  /** Somebody may have written to its virtual device. */
  readonly mayHaveBeenUsed: boolean;
  /** What was written goes back to the source. */
  readonly goesBack: boolean;
}

export class Guard {
  readonly #options: GuardOptions;
  /** Of the virtual device, on both disks. */
  readonly #places: GuardPlaces;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#places = new GuardPlaces(options.source.planned.sizeBytes);
  }

  /**
   * From here on nobody recognises either disk. Throws `disk-masked` before anything is written when the
   * source is already unrecognisable by another job, `device-changed` when it is not what was foreseen, and
   * `identity-not-hidden` with the source as it was.
   */
  async begin(foreseen: Foresight | undefined): Promise<void> {
    const { source, destination } = this.#options;
    const onSource = this.#identitiesOn(source);
    requireUnmasked(source.planned, onSource);
    if (foreseen !== undefined) requireForeseen(source.planned, isSameFinding(foreseen.source, onSource));
    const onDestination = this.#identitiesOn(destination);
    const before = foreseen?.destination ?? null;
    await this.#wipeAll(before !== null && isSameFinding(before, onDestination));
    try {
      maskDisk(plainDiskOf(source), this.#places);
      await dropCache(source.open);
      if (foreseen === undefined) requireHidden(source.planned, await seenOn(source));
    } catch (error) {
      throw await afterFailure(error, () => this.takeBack());
    }
  }

  /**
   * Of a job that goes on after a crash. When nobody can have used its virtual device, it died in its start,
   * which is done again, but for the wiping: what is known on the destination may have come there since, so
   * nothing of it is erased. Throws `device-changed`; going back needs nothing of the destination.
   *
   * Otherwise a disk that shows was made to show by somebody since, who may have used it: throws
   * `disk-unmasked`.
   */
  async beginAgain({ mayHaveBeenUsed, goesBack }: GoingOn): Promise<void> {
    const { source, destination } = this.#options;
    if (!mayHaveBeenUsed) {
      if (!goesBack) requireUnknown(destination.planned, await seenOn(destination));
      maskDisk(plainDiskOf(source), this.#places);
      await dropCache(source.open);
      return;
    }
    const shown = [source, destination].find((disk) => this.#identitiesOn(disk).some(({ isMasked }) => !isMasked));
    if (shown !== undefined) throw unmaskedSince(shown);
  }

  /** The source is known again. Only before anything has been written to the virtual device. */
  async takeBack(): Promise<void> {
    const { source } = this.#options;
    unmaskDisk(plainDiskOf(source), this.#places);
    await dropCache(source.open);
  }

  #identitiesOn(disk: GuardedDisk): FoundIdentity[] {
    return findIdentities(plainDiskOf(disk), this.#places);
  }

  /**
   * What the job will overwrite must not be taken for anything meanwhile, also behind the volume's end.
   * `suffices`: it is known already that no program sees anything then.
   */
  async #wipeAll(suffices: boolean): Promise<void> {
    const { source, destination } = this.#options;
    wipeBoth(plainDiskOf(destination), { source: source.planned, destination: destination.planned });
    await dropCache(destination.open);
    if (suffices || (await seenOn(destination)).length === 0) return;
    // Types that the table leaves out; --force, because the disk is claimed by us.
    const path = descriptorPath(destination.open.base);
    await runCommand('wipefs', ['--all', '--force', '--quiet', path], `wiping ${destination.planned.path}`);
    await dropCache(destination.open);
    requireHidden(destination.planned, await seenOn(destination));
  }
}

function plainDiskOf({ planned, fd }: GuardedDisk): PlainDisk {
  return plainDisk(fd, planned.path, planned.logicalBlockBytes);
}

function seenOn({ planned, open }: GuardedDisk): Promise<string[]> {
  const node = planned.kind === 'block' ? planned.path : null;
  return recognisedBy({ node, path: descriptorPath(open.base) });
}

function requireForeseen({ path }: PlannedDisk, isForeseen: boolean): void {
  if (isForeseen) return;
  const message = `${path}: what identifies it has changed while its users were being stopped`;
  throw new DiskferryError('device-changed', message, { context: { device: path } });
}

function requireUnknown({ path }: PlannedDisk, seen: readonly string[]): void {
  if (seen.length === 0) return;
  const message =
    `${path}: holds something that the job had not erased when it died (${seen.join(', ')}), and nothing is erased ` +
    'now; end the job with "diskferry recover --undo", which leaves this disk as it is, then begin again';
  throw new DiskferryError('device-changed', message, { context: { device: path } });
}

function unmaskedSince({ planned: { path } }: GuardedDisk): DiskferryError {
  const message = `${path}: has been made recognisable since the job died, so it may have been used, and does not fit what has crossed`;
  return new DiskferryError('disk-unmasked', message, { context: { device: path } });
}
