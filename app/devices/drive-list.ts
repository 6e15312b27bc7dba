/**
 * What the library drivelist says about the machine's disks: one vote beside our own walk. It knows whole
 * disks only and sees mounts one level down, so it can add caution and never take any away (drive-votes in
 * use-checks.ts).
 *
 * It needs an addon of its own, which npm compiles. Where that is missing or does not load, its vote is missing, and
 * whoever shows disks says why.
 */
import * as z from 'zod';
import { messageOf } from '../base/error.ts';
import { withTimeLimit } from '../base/time-limit.ts';

const driveSchema = z.looseObject({
  device: z.string(),
  busType: z.string(),
  size: z.number().nullable(),
  isReadOnly: z.boolean(),
  isRemovable: z.boolean(),
  mountpoints: z.array(z.object({ path: z.string() })),
});

export interface Drive {
  /** `/dev/sda` */
  readonly path: string;
  /** As lsblk names buses; null where it does not know. */
  readonly bus: string | null;
  readonly isReadOnly: boolean;
  readonly isRemovable: boolean;
  /** Of the disk, or of its partitions. */
  readonly mountPoints: readonly string[];
}

export interface DriveList {
  readonly drives: readonly Drive[];
  /** Why there is no vote; null when there is one. */
  readonly refusal: string | null;
}

/** A name that the compiler does not follow: the package may not be there. */
const packageName: string = 'drivelist';

/** It asks lsblk, which may look at each disk. */
const answerMsMax = 30_000;
/** One that a sick disk keeps is waited for again, and not asked once more. */
let asking: Promise<unknown> | undefined;

/** `load` is asked once per call; tests give one that fails. */
export async function readDriveList(
  load: () => Promise<unknown> = () => import(packageName),
): Promise<DriveList> {
  let library: unknown;
  try {
    library = await load();
  } catch (error) {
    const [reason = ''] = messageOf(error).split('\n');
    return { drives: [], refusal: `drivelist cannot be loaded: ${reason}` };
  }
  try {
    const { list } = librarySchema.parse(library);
    asking ??= list().finally(() => (asking = undefined));
    const late = (): Error => new Error('a disk keeps it waiting');
    return { drives: parseDrives(await withTimeLimit(asking, answerMsMax, late)), refusal: null };
  } catch (error) {
    const [reason = ''] = messageOf(error).split('\n');
    return { drives: [], refusal: `drivelist cannot list the disks: ${reason}` };
  }
}

const librarySchema = z.looseObject({
  list: z.custom<() => Promise<unknown>>((value) => typeof value === 'function'),
});

export function parseDrives(answer: unknown): Drive[] {
  return z
    .array(driveSchema)
    .parse(answer)
    .map(({ device, busType, isReadOnly, isRemovable, mountpoints }) => ({
      path: device,
      bus: busType === 'UNKNOWN' ? null : busType.toLowerCase(),
      isReadOnly,
      isRemovable,
      mountPoints: mountpoints.map(({ path }) => path).filter((path) => path.startsWith('/')),
    }));
}
