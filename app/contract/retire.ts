/**
 * What `diskferry retire` shows of the original disk of a finished move, and reports while it erases it. Plain data.
 * Sizes are bytes.
 *
 * Order of the lines: `retired`; with `--erase` then `erasing` again and again, and as the last one `erased` or `failed`.
 */
import * as z from 'zod';
import { errorDataSchema } from './error-data.ts';
import { plannedDiskSchema } from './plan.ts';

const bytes = z.int().nonnegative();

export const eraseMethodSchema = z.enum(['discard', 'overwrite']);
/**
 * `discard`: the disk is told that nothing on it is needed, and must read as zeroes then. `overwrite`: zeroes are written.
 */
export type EraseMethod = z.infer<typeof eraseMethodSchema>;

/** `whole`: as the move has left it. */
export const retiredStates = ['whole', 'partly-erased', 'erased'] as const;
export type RetiredState = (typeof retiredStates)[number];

export const retiredDiskSchema = z.object({
  disk: plannedDiskSchema,
  /** The move whose source it was. */
  job: z.string(),
  /** When that move ended, in milliseconds since 1970. */
  endedMs: z.number(),
  /** As it was when the move ended. */
  destination: plannedDiskSchema,
  /** Where the destination is now; null where it is not connected. */
  destinationPath: z.string().nullable(),
  state: z.enum(retiredStates),
  /** What identifies it and is hidden, as libblkid names it. */
  hidden: z.array(z.string()),
  /** By which it would be erased; null for an image file. */
  method: eraseMethodSchema.nullable(),
  /** Why it would not be erased now; null: it would. */
  refusal: errorDataSchema.nullable(),
});
export type RetiredDisk = z.infer<typeof retiredDiskSchema>;

const line = { job: z.string(), timeMs: z.number() };

export const retireEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('retired'), ...line, retired: retiredDiskSchema }),
  z.object({
    event: z.literal('erasing'),
    ...line,
    phase: z.enum(['erasing', 'reading-back']),
    doneBytes: bytes,
    totalBytes: bytes,
  }),
  z.object({
    event: z.literal('erased'),
    ...line,
    method: eraseMethodSchema,
    /** All of the disk. */
    erasedBytes: bytes,
    /** What was read back after it, all of it zeroes. */
    readBackBytes: bytes,
    /** What people should do besides. */
    warnings: z.array(z.string()),
  }),
]);
export type RetireEvent = z.infer<typeof retireEventSchema>;
