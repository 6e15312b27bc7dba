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
 * What programs see of a disk afterwards is asked of them before anything is written (foresight.ts), and where
 * nobody waits of the hidden source itself once more; if one still sees something, the job is refused.
 */
import { afterFailure, DiskferryError } from '../base/error.ts';
import type { PlannedDisk } from '../contract/plan.ts';
import { runCommand } from '../devices/command.ts';
import type { FoundIdentity, PlainDisk } from '../devices/disk-mask.ts';
import { findIdentities, findReadable, isMasked, maskDisk, plainDisk, unmaskDisk } from '../devices/disk-mask.ts';
import { recognisedBy } from '../devices/foreign-recognisers.ts';
import { GuardPlaces } from '../devices/guard-places.ts';
import type { OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, dropCache } from '../devices/open-disk.ts';
import type { Foresight } from './foresight.ts';
import { isSameFinding, requireHidden, requireUnmasked, wipeBoth } from './foresight.ts';
import type { ShownDestination } from './shown-destination.ts';
import type { StartTrace } from './start-trace.ts';

/**
 * A disk of a job, open. Both descriptors see the same; `writingFd` is asked for only when something must be written: a
 * source that has become read-only since, as failing ones do, is good enough to go on from where it is hidden already.
 */
export interface GuardedDisk {
  readonly planned: PlannedDisk;
  readonly open: OpenDisk;
  readonly readingFd: number;
  readonly writingFd: () => Promise<number>;
}

export interface GuardOptions {
  readonly source: GuardedDisk;
  readonly destination: GuardedDisk;
  /** Is told what the start does to the disks. */
  readonly trace: StartTrace;
  readonly shown: ShownDestination;
}

/** Of a job that goes on after a crash. */
export interface GoingOn {
  /** What has to last may be on its virtual device alone. */
  readonly mayHaveBeenUsed: boolean;
  /** It has been compared with its sample. */
  readonly isSourceUnchanged: boolean;
  /** The job itself may have written to the source, and begun to show it. */
  readonly isUndoing: boolean;
  /** By the job's own doing: what is on it is part of the job all the same. */
  readonly mayDestinationShow: boolean;
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
   * From here on nobody recognises either disk. Throws before anything is written: `disk-masked` when the source is
   * already unrecognisable by another job, `device-changed` when it is not what was foreseen. Throws
   * `identity-not-hidden` with the source as it was. `isAwaited`: users wait meanwhile, so no program is asked.
   */
  async begin(foreseen: Foresight, isAwaited: boolean): Promise<void> {
    const { source, destination } = this.#options;
    const onSource = this.#identitiesOn(source);
    requireUnmasked(source.planned, onSource);
    requireForeseen(source.planned, isSameFinding(foreseen.source, onSource));
    const before = foreseen.destination;
    await this.#wipeAll(before !== null && isSameFinding(before, this.#identitiesOn(destination)));
    try {
      maskDisk(await forWriting(source), this.#places);
      await dropCache(source.open);
      if (!isAwaited) requireHidden(source.planned, await seenOn(source));
    } catch (error) {
      throw await afterFailure(error, () => this.takeBack());
    }
  }

  /**
   * Of a job that goes on after a crash. When it died in its start, that is done again, but for the wiping: what
   * is known on the destination may have come there since, so nothing of it is erased. Throws `device-changed`.
   *
   * Otherwise a disk that shows was made to show by somebody since, who may have used it: throws `disk-unmasked`. But
   * of a source that is as the job left it, or to which the job goes back, some places may show alone: a change that
   * was cut off has left them so, or the disk could not deliver them. They are hidden again.
   */
  async beginAgain({ mayHaveBeenUsed, mayDestinationShow, ...going }: GoingOn): Promise<void> {
    const { source, destination } = this.#options;
    if (!mayHaveBeenUsed) {
      requireUnknown(destination.planned, await seenOn(destination));
      await this.#hide(source);
      return;
    }
    const onSource = this.#identitiesOn(source);
    if (shows(onSource) && !isCutOff(onSource, going)) throw unmaskedSince(source, source);
    if (!mayDestinationShow && shows(this.#identitiesOn(destination))) throw unmaskedSince(destination, source);
    await this.#hide(source);
    if (mayDestinationShow) await this.#options.shown.hiddenBy(() => this.#hideShown(destination));
  }

  /** The source is known again. Only before anything has been written to the virtual device. */
  async takeBack(): Promise<void> {
    const { source, trace } = this.#options;
    try {
      unmaskDisk(await forWriting(source), this.#places);
      await dropCache(source.open);
      trace.sourceShows();
    } catch (error) {
      trace.sourceStaysHidden(error);
      throw error;
    }
  }

  async #hide(disk: GuardedDisk): Promise<void> {
    const found = forReading(disk);
    if (isMasked(found, this.#places)) {
      // A run that was killed may have hidden it, and flushed nothing.
      found.sync();
      return;
    }
    maskDisk(await forWriting(disk), this.#places);
    await dropCache(disk.open);
  }

  /** What has been shown and cannot be read now is not said to be hidden. */
  async #hideShown(disk: GuardedDisk): Promise<void> {
    await this.#hide(disk);
    const { unreadable } = findReadable(forReading(disk), this.#places);
    if (unreadable === 0) return;
    const { path } = disk.planned;
    const message = `${path}: ${unreadable} of the places by which programs know it cannot be read, and may show still`;
    throw new DiskferryError('mask-failed', message, { context: { device: path } });
  }

  #identitiesOn(disk: GuardedDisk): FoundIdentity[] {
    return findIdentities(forReading(disk), this.#places);
  }

  /**
   * What the job will overwrite must not be taken for anything meanwhile, also behind the volume's end.
   * `suffices`: it is known already that no program sees anything then.
   */
  async #wipeAll(suffices: boolean): Promise<void> {
    const { source, destination, trace } = this.#options;
    trace.erasing();
    wipeBoth(await forWriting(destination), { source: source.planned, destination: destination.planned });
    await dropCache(destination.open);
    if (suffices || (await seenOn(destination)).length === 0) return;
    // Types that the table leaves out; --force, because the disk is claimed by us.
    const path = descriptorPath(destination.open.base);
    await runCommand('wipefs', ['--all', '--force', '--quiet', path], `wiping ${destination.planned.path}`);
    await dropCache(destination.open);
    requireHidden(destination.planned, await seenOn(destination));
  }
}

function forReading({ planned, readingFd }: GuardedDisk): PlainDisk {
  return plainDisk(readingFd, planned.path, planned.logicalBlockBytes);
}

async function forWriting({ planned, writingFd }: GuardedDisk): Promise<PlainDisk> {
  return plainDisk(await writingFd(), planned.path, planned.logicalBlockBytes);
}

function seenOn({ planned, open }: GuardedDisk): Promise<string[]> {
  const node = planned.kind === 'block' ? planned.path : null;
  return recognisedBy({ node, path: descriptorPath(open.base) });
}

function requireForeseen({ path }: PlannedDisk, isForeseen: boolean): void {
  if (isForeseen) return;
  const message = `${path}: what identifies it has changed since it was looked at`;
  throw new DiskferryError('device-changed', message, { context: { device: path } });
}

function requireUnknown({ path }: PlannedDisk, seen: readonly string[]): void {
  if (seen.length === 0) return;
  const message =
    `${path}: holds something that the job had not erased when it died (${seen.join(', ')}), and nothing is erased ` +
    'now; end the job with "diskferry recover --undo", which leaves this disk as it is, then begin again';
  throw new DiskferryError('device-changed', message, { context: { device: path } });
}

/** `unmask` says in the job's record what it has shown; so where the record says nothing, this is none of its doing. */
function isCutOff(
  found: readonly FoundIdentity[],
  { isSourceUnchanged, isUndoing }: Pick<GoingOn, 'isSourceUnchanged' | 'isUndoing'>,
): boolean {
  return (isSourceUnchanged || isUndoing) && found.some(({ isMasked }) => isMasked);
}

function shows(found: readonly FoundIdentity[]): boolean {
  return found.some(({ isMasked }) => !isMasked);
}

function unmaskedSince({ planned: { path } }: GuardedDisk, source: GuardedDisk): DiskferryError {
  const why = 'has been made recognisable since the job died, so it may have been used and not fit the other disk';
  return new DiskferryError('disk-unmasked', `${path}: ${why}`, { context: { device: path, source: source.planned.path } });
}
