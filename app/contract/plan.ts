/**
 * What a job will do, before it does anything: what the `planned` line of `plan --json` carries, what a
 * person confirms, and what the migration then carries out. Plain data, complete enough to render for people
 * without looking anything up.
 *
 * Sizes are bytes. Texts in it (`reason`, `message`, `meaning`) are whole sentences for people; programs
 * use the codes beside them.
 */
import * as z from 'zod';

const bytes = z.int().nonnegative();
const seconds = z.int().nonnegative();

export const frontendSchema = z.enum(['ublk', 'nbd', 'fuse', 'nbd-socket']);
export type FrontendName = z.infer<typeof frontendSchema>;

/** Those that make a block device. */
export const deviceFrontends = frontendSchema.exclude(['nbd-socket']).options;

export const waySchema = z.enum(['attach', 'remount', 'live']);
/**
 * `remount`: the source is mounted, and its mounts move to the virtual device. `live`: device-mapper devices
 * lie on the source, and their tables move. `attach`: nothing uses it yet.
 */
export type Way = z.infer<typeof waySchema>;

export const speedSchema = z.enum(['gentle', 'balanced', 'full']);
export type Speed = z.infer<typeof speedSchema>;

export const contentSchema = z.object({
  /** As libblkid names it: `ext4`, `LVM2_member`, …; null: no known content. */
  fileSystemType: z.string().nullable(),
  fileSystemUuid: z.string().nullable(),
  label: z.string().nullable(),
  partitionTableType: z.string().nullable(),
  partitionTableUuid: z.string().nullable(),
});
export type DeviceContent = z.infer<typeof contentSchema>;

/** How a disk is recognised again right before it is opened: null where the disk does not tell. */
export const identitySchema = z.object({
  path: z.string(),
  /** Of the device node's device; for files of the file system that the file lies on. */
  majorMinor: z.string(),
  /** For regular files only. */
  inode: z.number().nullable(),
  sizeBytes: bytes,
  /** The kernel's number for this appearance of the disk; another one after unplugging or detaching. */
  diskSequence: z.string().nullable(),
  serial: z.string().nullable(),
  wwn: z.string().nullable(),
  /** Null when nobody has looked yet, which without root may be so. */
  content: contentSchema.nullable(),
});
export type DeviceIdentity = z.infer<typeof identitySchema>;

export const plannedDiskSchema = z.object({
  path: z.string(),
  kind: z.enum(['block', 'file']),
  /** True for a destination image that `--create` makes after the confirmation. */
  toBeCreated: z.boolean(),
  sizeBytes: bytes,
  logicalBlockBytes: bytes,
  physicalBlockBytes: bytes,
  model: z.string().nullable(),
  serial: z.string().nullable(),
  bus: z.string().nullable(),
  content: contentSchema.nullable(),
  /** Null only for a destination that is to be created. */
  identity: identitySchema.nullable(),
});
export type PlannedDisk = z.infer<typeof plannedDiskSchema>;

/** The kernel's numbers, as in /proc/self/mountinfo; all null and false: private. */
const propagationSchema = z.object({
  peerGroup: z.int().nullable(),
  masterGroup: z.int().nullable(),
  isUnbindable: z.boolean(),
});

export const plannedMountSchema = z.object({
  target: z.string(),
  fsType: z.string(),
  /** Comma-separated, as mount -o takes them. */
  options: z.string(),
  /** This place alone is read-only, the volume is not: what `mount -o remount,bind,ro` makes. */
  readOnlyHere: z.boolean(),
  /**
   * Those of `mount -o` that the kernel does not know, comma-separated: `_netdev,x-systemd.…`; often empty.
   */
  userOptions: z.string(),
  /** `/`, or the subvolume's path for Btrfs. */
  root: z.string(),
  propagation: propagationSchema,
});
/** Listed in the order of mounting; unmount in reverse. */
export type PlannedMount = z.infer<typeof plannedMountSchema>;

/** A device-mapper device that lies on the source, such as an LV: its table is moved while it is in use. */
export const mappedUserSchema = z.object({
  /** As device-mapper knows it. */
  name: z.string(),
  majorMinor: z.string(),
  kind: z.enum(['lvm', 'luks', 'own']),
  /** Of everything that lies on it. */
  mountPoints: z.array(z.string()),
  /** Of a LUKS2 container: its key must be read from its header again for each change of its table. */
  needsPassphrase: z.boolean(),
  /** The description of a key in the kernel's keyring that takes the passphrase's place. */
  tokenKey: z.string().optional(),
});
export type PlannedMappedUser = z.infer<typeof mappedUserSchema>;

export const copyScopeSchema = z.object({
  scope: z.enum(['allocated', 'all']),
  /** What will be read from the source; null while that is not known. */
  bytes: bytes.nullable(),
  /** False while `bytes` is an estimate; the start of the job reads the exact map. */
  exact: z.boolean(),
  reason: z.string(),
});
export type CopyScope = z.infer<typeof copyScopeSchema>;

export const planWarningCodes = [
  'recover-after-crash',
  'not-found-again',
  'state-not-durable',
  'source-hidden',
  'destination-not-empty',
  'destination-space',
  'physical-block-size',
  'gpt-backup-header',
  'copies-everything',
  'stops-users',
  'stays-mapped',
  'same-identity',
  'slow-link',
] as const;

export const planWarningSchema = z.object({ code: z.enum(planWarningCodes), message: z.string() });
export type PlanWarning = z.infer<typeof planWarningSchema>;
export type PlanWarningCode = PlanWarning['code'];

export const planPhaseSchema = z.object({
  phase: z.enum(['before', 'copying', 'synchronized', 'committed']),
  /** Which disk holds the valid data; `both`: each holds the valid copy of some blocks. */
  truth: z.enum(['source', 'both', 'destination']),
  meaning: z.string(),
});
export type PlanPhase = z.infer<typeof planPhaseSchema>;

export const planSchema = z.object({
  source: plannedDiskSchema,
  destination: plannedDiskSchema,
  way: waySchema,
  /**
   * Consumers reach the virtual device through a device-mapper device, whose table changes at the cut-over:
   * nothing is unmounted then, and consumers stay on that device, over the destination, until they leave it.
   */
  usesDeviceMapper: z.boolean(),
  frontend: frontendSchema,
  frontendReason: z.string(),
  mode: z.literal('redirect'),
  /** Before the cut-over the destination is read back and compared. */
  verifies: z.boolean(),
  /** Of the source itself; only for `remount`. */
  mounts: z.array(plannedMountSchema),
  /** Only for `live`. */
  mappedUsers: z.array(mappedUserSchema),
  copy: copyScopeSchema,
  /**
   * How long it takes, from how the disks are connected: nothing has been measured yet, and programs that use the
   * volume make it longer. Missing where the disks do not tell.
   */
  duration: z.object({ lowSeconds: seconds, highSeconds: seconds }).optional(),
  /** What the flags and the fixed buffers take. */
  memoryBytes: bytes,
  /** What its journal takes in the state directory, from the start. */
  journalBytes: bytes,
  stateDirectory: z.string(),
  /** True when the job itself must run as root. */
  needsRoot: z.boolean(),
  warnings: z.array(planWarningSchema),
  phases: z.array(planPhaseSchema),
  /** What the cut-over will do, step by step. */
  cutOver: z.array(z.string()),
});
export type Plan = z.infer<typeof planSchema>;
