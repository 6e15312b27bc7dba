/**
 * LUKS headers, read by cryptsetup(8) as root: whether a container is being re-encrypted, and its volume key
 * for whoever knows a passphrase.
 *
 * Secrets are bytes, never strings: bytes can be wiped, while a string lives as long as the engine likes.
 * They reach and leave cryptsetup by pipes, and appear in no message.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import { runCommand } from './command.ts';
import { runProgram, runProgramInSecret } from './program.ts';

export interface LuksHeader {
  readonly version: 1 | 2;
  readonly isReencrypting: boolean;
}

/** Only what we ask it for (LUKS2 On-Disk Format Specification, section 3). */
const metadataSchema = z.object({
  config: z.object({ requirements: z.object({ mandatory: z.array(z.string()) }).optional() }),
});

/** Null when the device has none: a header may be kept elsewhere. */
export async function readLuksHeader(path: string): Promise<LuksHeader | null> {
  const { exitCode, stdout } = await runProgram('cryptsetup', ['luksDump', '--', path]);
  const version = exitCode === 0 ? /^Version:\s*([12])\s*$/m.exec(stdout)?.[1] : undefined;
  if (version === undefined) return null;
  // LUKS1 is re-encrypted only while nobody uses it, and cannot be opened meanwhile.
  if (version === '1') return { version: 1, isReencrypting: false };
  return { version: 2, isReencrypting: parseReencryption(await readLuks2Metadata(path)) };
}

/** As JSON. */
export function readLuks2Metadata(path: string): Promise<string> {
  const parameters = ['luksDump', '--dump-json-metadata', '--', path];
  return runCommand('cryptsetup', parameters, `${path}: reading its LUKS header`);
}

export function parseReencryption(json: string): boolean {
  const { config } = metadataSchema.parse(JSON.parse(json));
  return config.requirements?.mandatory.some((name) => name.includes('reencrypt')) ?? false;
}

// ---- the volume key

/** From cryptsetup(8), "Return codes". */
const noSuchKey = 2;

/** The bytes are the caller's to wipe. Throws `wrong-passphrase`. */
export async function readVolumeKey(path: string, passphrase: Uint8Array): Promise<Uint8Array> {
  const parameters = ['luksDump', '--batch-mode', '--dump-volume-key', '--key-file', '-', '--', path];
  const { exitCode, stderr, result } = await runProgramInSecret('cryptsetup', parameters, {
    input: passphrase,
    read: parseVolumeKey,
  });
  const context = { device: path };
  if (exitCode === noSuchKey) {
    throw new DiskferryError('wrong-passphrase', `${path}: no key slot opens with this passphrase`, {
      context,
    });
  }
  if (exitCode === 0 && result !== null) return result;
  throw new DiskferryError(
    'command-failed',
    `${path}: reading its volume key failed: ${stderr.trim() || `exit code ${exitCode}`}`,
    { context },
  );
}

const colon = ':'.charCodeAt(0);

/**
 * The dump ends with lines of hexadecimal bytes, the first of them behind a title and a colon. Null when
 * there are none. Works on bytes, and leaves no copy but its result.
 */
export function parseVolumeKey(output: Uint8Array): Uint8Array | null {
  const digits = Buffer.alloc(output.length);
  let count = 0;
  for (const byte of output.subarray(output.lastIndexOf(colon) + 1)) {
    const digit = Number.parseInt(String.fromCharCode(byte), 16);
    if (!Number.isNaN(digit)) digits[count++] = digit;
  }
  const isWhole = count > 0 && count % 2 === 0;
  const key = isWhole
    ? Uint8Array.from(
        { length: count / 2 },
        (_, at) => ((digits[2 * at] ?? 0) << 4) | (digits[2 * at + 1] ?? 0),
      )
    : null;
  digits.fill(0);
  return key;
}
