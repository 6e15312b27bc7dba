/**
 * What `devices --json` prints: one tree per line, from a disk (or loop device) down to what lies on it.
 * Plain data, complete enough to render for people and to choose a source and a destination from.
 *
 * What cannot be moved stays in the tree, with the reasons: leaving it out would make people guess.
 */
import * as z from 'zod';
import { errorCodes } from '../base/error.ts';
import { contentSchema, waySchema } from './plan.ts';

const bytes = z.int().nonnegative();

export const deviceKinds = ['disk', 'part', 'loop', 'lvm', 'crypt', 'raid', 'rom', 'other', 'file'] as const;
export type DeviceKind = (typeof deviceKinds)[number];

export const eligibilitySchema = z.object({
  eligible: z.boolean(),
  /** Why not; null when eligible. */
  reason: z.object({ code: z.enum(errorCodes), message: z.string(), advice: z.string() }).nullable(),
});
export type Eligibility = z.infer<typeof eligibilitySchema>;

export const healthSchema = z.object({
  state: z.enum(['good', 'failing', 'unknown']),
  /** Why so, or why it is not known: the end of a sentence. */
  message: z.string(),
  temperatureCelsius: z.number().nullable(),
  poweredOnHours: z.number().nullable(),
});
/** What the disk itself says: SMART. */
export type Health = z.infer<typeof healthSchema>;

const nodeSchema = z.object({
  path: z.string(),
  kind: z.enum(deviceKinds),
  majorMinor: z.string(),
  sizeBytes: bytes,
  logicalBlockBytes: bytes,
  physicalBlockBytes: bytes,
  readOnly: z.boolean(),
  removable: z.boolean(),
  model: z.string().nullable(),
  vendor: z.string().nullable(),
  serial: z.string().nullable(),
  wwn: z.string().nullable(),
  /** `sata`, `nvme`, `usb`, … as lsblk names it. */
  bus: z.string().nullable(),
  /** What its connection has agreed on, on the wire; null where nothing says it. */
  linkMegabits: z.int().positive().nullable(),
  /** Null when nobody has looked: without udev this needs root. */
  content: contentSchema.nullable(),
  /** From the partition table. */
  partitionUuid: z.string().nullable(),
  /** Null when nobody has asked: that needs root and smartctl. */
  health: healthSchema.nullable(),
  /** The running system, or its swap, is on it. */
  isSystem: z.boolean(),
  mountPoints: z.array(z.string()),
  isSwap: z.boolean(),
  /** Of the mounted file system; null when it is not mounted. */
  usedBytes: bytes.nullable(),
  /** A partition's first byte on its disk; null for anything else. */
  offsetBytes: bytes.nullable(),
  /** A loop device's file. */
  backingFile: z.string().nullable(),
  asSource: eligibilitySchema,
  asDestination: eligibilitySchema,
  /** How it would be moved, and why so; null when it cannot be the source. */
  way: z.object({ way: waySchema, reason: z.string() }).nullable(),
});

/** `children` are partitions, and what holds the device: LVM, LUKS, RAID, loop devices over it. */
export interface DeviceTree extends z.infer<typeof nodeSchema> {
  children: DeviceTree[];
}

// Typed by hand, because a declaration file cannot spell the type of a schema that contains itself.
export const deviceTreeSchema: z.ZodType<DeviceTree> = nodeSchema.extend({
  get children() {
    return z.array(deviceTreeSchema);
  },
});
