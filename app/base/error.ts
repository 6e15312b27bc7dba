/**
 * The two kinds of error that Diskferry throws.
 *
 * `DiskferryError` is everything that can happen to a user: refusals, hardware, missing programs. Its code is
 * one of a closed list, so that the advice for each code (contract/advice.ts) is exhaustive, and its message
 * names the device, the operation and the cause. `BugError` is only for broken assumptions in our own code.
 */

export const errorCodes = [
  'device-missing',
  'device-empty',
  'device-not-a-disk',
  'device-permission-denied',
  'device-open-failed',
  'device-read-only',
  'device-in-use',
  'device-has-loop',
  'device-is-swap',
  'device-same',
  'device-overlaps',
  'device-changed',
  'device-holds-system',
  'source-has-holders',
  'source-is-mapped',
  'stack-not-supported',
  'passphrase-needed',
  'wrong-passphrase',
  'volume-key-unusable',
  'content-not-supported',
  'destination-mounted',
  'destination-exists',
  'destination-is-member',
  'destination-too-small',
  'logical-block-size-differs',
  'size-not-in-blocks',
  'memory-too-small',
  'no-frontend',
  'no-io-uring',
  'mode-not-supported',
  'no-journal-yet',
  'journal-failed',
  'state-directory-full',
  'state-directory-unusable',
  'socket-unusable',
  'already-serving',
  'no-room',
  'demo-failed',
  'not-root',
  'not-authorised',
  'no-service',
  'service-version',
  'service-silent',
  'stream-ended',
  'too-many-requests',
  'look-too-long',
  'plan-expired',
  'path-not-yours',
  'not-confirmed',
  'usage',
  'volume-busy',
  'mount-not-supported',
  'command-failed',
  'program-missing',
  'source-unreadable',
  'source-gone',
  'source-write-failed',
  'destination-unreadable',
  'destination-gone',
  'destination-write-failed',
  'destination-flush-failed',
  'frontend-failed',
  'copy-broken',
  'no-device-mapper',
  'no-device-left',
  'mapping-failed',
  'device-suspended',
  'table-changed',
  'engine-died',
  'build-differs',
  'takeover-refused',
  'takeover-impossible',
  'earlier-job-died',
  'disk-not-found',
  'source-changed',
  'virtual-device-held',
  'record-unreadable',
  'journal-missing',
  'journal-damaged',
  'journal-from-the-future',
  'journal-mismatch',
  'disk-masked',
  'disk-unmasked',
  'not-masked',
  'disk-stale',
  'mask-failed',
  'source-stays-hidden',
  'identity-unreadable',
  'identity-not-hidden',
  'job-missing',
  'job-state',
  'job-held',
  'disk-silent',
  'job-silent',
  'end-not-understood',
  'decision-needed',
  'verification-failed',
  'undo-failed',
  'nothing-to-grow',
  'cannot-be-grown',
  'not-attached',
  'needs-check',
  'table-damaged',
  'disk-cut-off',
  'partitions-not-shown',
  'container-closed',
  'grow-failed',
  'grow-interrupted',
  'not-retired',
  'retired-changed',
  'retired-record-unreadable',
  'may-be-only-copy',
  'cannot-be-erased',
  'erase-failed',
  'erase-incomplete',
  'erase-interrupted',
  'disk-erased',
  'interrupted',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Values that help to understand an error; plain data, so that they cross process boundaries. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface DiskferryErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly context: ErrorContext;
}

export class DiskferryError extends Error {
  override readonly name = 'DiskferryError';
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: { context?: ErrorContext; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
  }

  toData(): DiskferryErrorData {
    return { code: this.code, message: this.message, context: this.context };
  }

  static fromData(data: DiskferryErrorData): DiskferryError {
    return new DiskferryError(data.code, data.message, { context: data.context });
  }
}

/** A broken assumption in Diskferry itself. Never thrown for user input or hardware. */
export class BugError extends Error {
  override readonly name = 'BugError';
}

/** Runs in production: data depends on it. `message` says which assumption broke. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** For a value that the surrounding code knows to be there. `what` says why it must be. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new BugError(`missing: ${what}`);
  return value;
}

/** Both matter: why something failed, and that taking it back has failed too. The first gives the code. */
export function bothOf(first: unknown, second: unknown): Error {
  if (!(first instanceof DiskferryError)) return new AggregateError([first, second], messageOf(first));
  const { code, message, context } = first;
  return new DiskferryError(code, `${message}; then ${messageOf(second)}`, { context, cause: second });
}

/**
 * Takes something back after a failure. Returns what to throw: the failure and, if so, what came on top of
 * it.
 */
export async function afterFailure(error: unknown, takeBack: () => Promise<void>): Promise<unknown> {
  try {
    await takeBack();
    return error;
  } catch (second) {
    return bothOf(error, second);
  }
}

/** For text of an error that may be anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Sizes and offsets are doubles; beyond 2^53 they would silently lose bytes. */
export function assertSafeInteger(value: number, name: string): void {
  assert(Number.isSafeInteger(value) && value >= 0, `${name} is not a safe size: ${value}`);
}
