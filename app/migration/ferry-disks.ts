/**
 * Both disks of a job, open, claimed, and hidden from every program: what the engine works on. Also what can
 * only be done before it starts, such as looking at the source's free space while its file system can be read.
 *
 * The disks are opened exactly once each, exclusively, and only after their identities have been compared
 * with the plan on the very file descriptor (invariant 9). Later uses go through that descriptor, never
 * through the path. What was acquired is released in reverse by the caller's stack, whatever fails.
 */
import { present } from '../base/error.ts';
import type { ReleaseStack } from '../base/release.ts';
import type { Extent } from '../base/units.ts';
import type { Plan, PlannedDisk } from '../contract/plan.ts';
import type { NewImage } from '../devices/image-file.ts';
import { createImageFile } from '../devices/image-file.ts';
import type { Claim, Known, OpenDisk } from '../devices/open-disk.ts';
import { descriptorPath, openDisk, WritingHandle } from '../devices/open-disk.ts';
import { openPrivateDisk, reopenPrivateDisk } from '../devices/private-disk.ts';
import type { Foresight } from './foresight.ts';
import type { GoingOn } from './guard.ts';
import { Guard } from './guard.ts';
import type { ShownDestination } from './shown-destination.ts';
import type { StartTrace } from './start-trace.ts';

export interface DiskOptions {
  readonly job: string;
  readonly plan: Plan;
  /**
   * Finds what nobody relies on, so that it is not copied. Asked when the source is claimed and nobody else
   * can mount it any more: only then does the answer stay true. `descriptor` is the claimed source's own
   * path.
   */
  readonly findFree: (descriptor: string) => Promise<readonly Extent[]>;
  /** After a crash, when the source is claimed: compares it with what the job had left. */
  readonly beforeGoingOn: (source: OpenDisk) => Promise<GoingOn>;
  /** The job goes on after a crash: nobody uses either disk, and both are claimed whole. */
  readonly isRecovered: boolean;
  /** Of a new job: what was seen of the disks before anybody was interrupted. */
  readonly foreseen: () => Foresight | undefined;
  readonly trace: StartTrace;
  readonly shown: ShownDestination;
}

export interface FerryDisks {
  readonly source: OpenDisk;
  /** For undo, and to hide it. */
  readonly sourceForWriting: WritingHandle;
  readonly destination: OpenDisk;
  /** The destination, when `--create` made it. */
  readonly newImage: NewImage | undefined;
  readonly freeExtents: readonly Extent[];
  /** Makes the source known again, where a start has hidden it. */
  readonly takeBack: () => Promise<void>;
  /** The start has succeeded: from now on nothing of it is taken back when the disks are released. */
  readonly keep: () => void;
}

/** `isTakenOver`: everybody stays where he is, and a predecessor in the same boot has done all this. */
export async function openDisks(options: DiskOptions, isTakenOver: boolean, held: ReleaseStack): Promise<FerryDisks> {
  const { plan } = options;
  const known = isTakenOver ? 'by-boot' : 'by-plan';
  const source = await open(options, 'source', known);
  held.add('the source', () => source.close());
  const sourceForWriting = new WritingHandle(source);
  held.add('the source for writing', () => sourceForWriting.close());
  const newImage = isTakenOver ? undefined : makeImage(plan.destination);
  // Nothing of value can be in it before the virtual device is there.
  const keepImage = held.add('the new image', () => newImage?.remove());
  const destination = await open(options, 'destination', known);
  held.add('the destination', () => destination.close());
  await newImage?.assertIs(destination.handle);
  const freeExtents = isTakenOver ? [] : await options.findFree(descriptorPath(source.base));
  const isNew = !isTakenOver && !options.isRecovered;
  // It will be hidden: known before anything is written. A job that goes on may need to read it only.
  if (isNew) await sourceForWriting.fd();
  const writingFd = (): Promise<number> => Promise.resolve(destination.handle.fd);
  const guard = new Guard({
    source: { planned: plan.source, open: source, readingFd: source.base.fd, writingFd: () => sourceForWriting.fd() },
    destination: { planned: plan.destination, open: destination, readingFd: destination.handle.fd, writingFd },
    trace: options.trace,
    shown: options.shown,
  });
  if (!isTakenOver) await hide(guard, options, source);
  const takeBack = (): Promise<void> => (isNew ? guard.takeBack() : Promise.resolve());
  const keepHidden = held.add("the source's identity", takeBack);
  const keep = (): void => {
    keepImage();
    keepHidden();
  };
  return { source, sourceForWriting, destination, newImage, freeExtents, takeBack, keep };
}

async function hide(
  guard: Guard,
  { plan, isRecovered, beforeGoingOn, foreseen }: DiskOptions,
  source: OpenDisk,
): Promise<void> {
  if (isRecovered) {
    await guard.beginAgain(await beforeGoingOn(source));
  } else {
    const isAwaited = plan.way !== 'attach';
    await guard.begin(present(foreseen(), 'a new job has looked ahead'), isAwaited);
  }
}

function makeImage({ path, sizeBytes, toBeCreated }: PlannedDisk): NewImage | undefined {
  return toBeCreated ? createImageFile(path, sizeBytes) : undefined;
}

type DiskRole = 'source' | 'destination';

/** The source's own consumers stay on it when it is moved live; nobody else may have either disk. */
function open({ job, plan, isRecovered }: DiskOptions, role: DiskRole, known: Known): Promise<OpenDisk> {
  const planned: PlannedDisk = plan[role];
  const access = role === 'source' ? 'read' : 'write';
  const claim: Claim = role === 'source' && plan.way === 'live' && !isRecovered ? 'shared' : 'exclusive';
  if (!plan.usesDeviceMapper) return openDisk(planned, access, claim, known);
  const options = { name: `diskferry-${job}-${role}`, access } as const;
  return known === 'by-boot' ? reopenPrivateDisk(planned, options) : openPrivateDisk(planned, { ...options, claim });
}
