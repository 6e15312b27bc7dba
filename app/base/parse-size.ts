/** Sizes as people write them on a command line. */
import { DiskferryError } from './error.ts';
import { kibibyte, sectorBytes } from './units.ts';

const unitLetters = ['K', 'M', 'G', 'T'] as const;

/** "512M", "10G", "1.5T" or plain bytes: powers of 1024, a multiple of 512 bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT])?(?:iB|B)?$/i.exec(text.trim());
  const unit = match?.[2]?.toUpperCase() ?? '';
  const exponent = unitLetters.findIndex((letter) => letter === unit) + 1;
  const sizeBytes = match === null ? NaN : Number(match[1]) * kibibyte ** exponent;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes === 0 || sizeBytes % sectorBytes !== 0) {
    throw new DiskferryError(
      'usage',
      `"${text}" is not a size: use a number with K, M, G or T, a multiple of 512 bytes`,
    );
  }
  return sizeBytes;
}
