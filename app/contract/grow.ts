/**
 * What `diskferry grow` will do and reports: the plan that a person confirms, and one JSON line for each layer that
 * has its new size. Plain data. Sizes are bytes.
 *
 * Order of the lines: `grow-planned`, `grow-checking` where a file system is checked before anything is written, one
 * `grew` per layer, and as the last one `grow-finished` or `failed`.
 */
import * as z from 'zod';
import { plannedDiskSchema } from './plan.ts';

const bytes = z.int().nonnegative();

export const growLayerKinds = [
  'table',
  'partition',
  'luks',
  'physical-volume',
  'logical-volume',
  'file-system',
] as const;
export type GrowLayerKind = (typeof growLayerKinds)[number];

export const growLayerSchema = z.object({
  kind: z.enum(growLayerKinds),
  /** The device that it lies on, or is: `/dev/sdb2`, `/dev/mapper/vault`; of an LV `group/volume`. */
  name: z.string(),
  /** `gpt`, `dos`, or as libblkid names the content. */
  type: z.string(),
  /** What it is known by, whatever its name is by then; null where it has nothing of its own. */
  uuid: z.string().nullable(),
  beforeBytes: bytes,
  afterBytes: bytes,
  /** By how much its tool may round down. */
  slackBytes: bytes,
  /** False where it is as large as it can be already. */
  grows: z.boolean(),
  /** The programs that do it, for people; empty where nothing is done. */
  by: z.string(),
});
export type GrowLayer = z.infer<typeof growLayerSchema>;

export const growPlanSchema = z.object({
  /** The whole disk. Equal to `device` where there is no partition. */
  disk: plannedDiskSchema,
  /** What the layers from `luks` on lie on: a partition or the disk. */
  device: plannedDiskSchema,
  partition: z.int().positive().nullable(),
  /** From the disk upwards. */
  layers: z.array(growLayerSchema),
  /** The backup of the partition table is damaged, and will be made anew. */
  repairsBackupTable: z.boolean(),
  needsPassphrase: z.boolean(),
  /** Whole sentences that a person must have read before. */
  notes: z.array(z.string()),
});
export type GrowPlan = z.infer<typeof growPlanSchema>;

const line = { job: z.literal(''), timeMs: z.number() };

export const growEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('grow-planned'), ...line, plan: growPlanSchema }),
  z.object({ event: z.literal('grow-checking'), ...line, device: z.string(), checker: z.string() }),
  z.object({ event: z.literal('grew'), ...line, layer: growLayerSchema, sizeBytes: bytes }),
  z.object({ event: z.literal('grow-finished'), ...line }),
]);
export type GrowEvent = z.infer<typeof growEventSchema>;
