/**
 * A LUKS container that is open: where its data begins, in which unit it grows, and what would make it
 * smaller again at the next start. The key of its table stays in the function that reads it.
 */
import * as z from 'zod';
import { DiskferryError } from '../base/error.ts';
import type { BlockDevice } from '../devices/block-device.ts';
import { tableOf } from '../devices/device-mapper.ts';
import { readLuksHeader } from '../devices/luks.ts';
import { runCommand } from '../devices/command.ts';
import { runToItsEnd } from '../devices/program-to-its-end.ts';
import type { MappedDevice } from '../devices/stack.ts';
import { sectorBytes } from '../base/units.ts';
import type { FoundLuks } from './found.ts';
import { parseOutput } from './program-output.ts';

/** LUKS2 On-Disk Format Specification, section 3.3. */
const metadataSchema = z.object({
  segments: z.record(z.string(), z.object({ type: z.string(), size: z.string() })),
});

export async function readContainer(below: BlockDevice, opened: MappedDevice): Promise<FoundLuks> {
  const [segment, ...more] = await tableOf(opened.mapper.name);
  const { uuid } = opened.mapper;
  const common = { kind: 'luks', name: opened.path, uuid, below: below.path, sizeBytes: opened.sizeBytes } as const;
  if (segment?.mapping.type !== 'crypt' || more.length > 0) {
    const shape = { offsetBytes: 0, unitBytes: sectorBytes, needsPassphrase: false };
    return { ...common, ...shape, obstacle: 'its table is not that of a plain LUKS container' };
  }
  const { key, place, features } = segment.mapping;
  return {
    ...common,
    offsetBytes: place.startSector * sectorBytes,
    unitBytes: sectorSizeOf(features),
    needsPassphrase: key.startsWith(':'),
    obstacle: features.some((feature) => feature.startsWith('integrity:'))
      ? 'it keeps checksums (dm-integrity)'
      : await obstacleInHeader(below.path),
  };
}

/** From the optional parameters of dm-crypt. */
export function sectorSizeOf(features: readonly string[]): number {
  const feature = features.find((one) => one.startsWith('sector_size:'));
  return feature === undefined ? sectorBytes : Number(feature.slice('sector_size:'.length));
}

async function obstacleInHeader(path: string): Promise<string | null> {
  const header = await readLuksHeader(path);
  if (header === null) return 'its LUKS header is kept elsewhere';
  if (header.isReencrypting) return 'it is being re-encrypted';
  if (header.version === 1) return null;
  const json = await runCommand(
    'cryptsetup',
    ['luksDump', '--dump-json-metadata', '--', path],
    `${path}: reading its LUKS header`,
  );
  return hasFixedSize(path, json) ? 'its header gives it a fixed size, which it would have again at the next start' : null;
}

export function hasFixedSize(device: string, json: string): boolean {
  const { segments } = parseOutput(metadataSchema, json, { device, program: 'cryptsetup' });
  return Object.values(segments).some(({ size }) => size !== 'dynamic');
}

/** From cryptsetup(8), "Return codes". */
const noPermission = 2;

/**
 * Runs cryptsetup with the passphrase on its stdin; the caller keeps his. To its end, because it suspends the
 * container for a moment when it gives it another size. What it says holds nothing secret. Throws
 * `wrong-passphrase`, and `command-failed` with what it says.
 */
export async function withPassphrase(
  device: string,
  parameters: readonly string[],
  passphrase: Uint8Array | undefined,
): Promise<void> {
  // No slice(): of a Buffer that is the caller's own memory, which would be wiped here.
  const input = new Uint8Array(passphrase ?? []);
  const { exitCode, stderr } = await runToItsEnd('cryptsetup', parameters, input).finally(() => input.fill(0));
  if (exitCode === 0) return;
  const [code, why] =
    exitCode === noPermission
      ? (['wrong-passphrase', 'no key slot opens with this passphrase'] as const)
      : (['command-failed', `cryptsetup failed: ${stderr.trim() || `exit code ${exitCode}`}`] as const);
  throw new DiskferryError(code, `${device}: ${why}`, { context: { device } });
}

/** Before anything is written. */
export async function testPassphrase(device: string, passphrase: Uint8Array | undefined): Promise<void> {
  await withPassphrase(device, ['open', '--test-passphrase', '--batch-mode', '--key-file', '-', '--', device], passphrase);
}
