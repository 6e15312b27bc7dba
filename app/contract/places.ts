/**
 * What is where on a volume, in at most `partsMax` parts of equal length, whatever its size: for people who want
 * to see it. Of each part it says how large a share has crossed, and of that, how much the consumer has written and
 * how much was known to be free; and how much cannot be read.
 *
 * A share is one character, so that a map of the largest volume is a few kilobytes: 64 levels, of which the lowest
 * means nothing at all and the highest everything; what is in between is never told as either. An empty text
 * says that no part has any of it. It is put together while the volume is in use, a few parts at a time, so that
 * its parts are not of one instant.
 */
import * as z from 'zod';
import { partsMax } from './place-levels.ts';

const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const levelOf = new Map(Array.from(characters, (character, level) => [character, level]));

const sharesSchema = z
  .string()
  .max(partsMax)
  .regex(/^[A-Za-z0-9_-]*$/);
export const placesSchema = z.object({
  /** Of each part but the last, which ends with the volume. */
  partBytes: z.int().positive(),
  crossed: sharesSchema,
  written: sharesSchema,
  free: sharesSchema,
  unreadable: sharesSchema,
});
export type Places = z.infer<typeof placesSchema>;

export function sharesText(levels: Uint8Array): string {
  if (levels.every((level) => level === 0)) return '';
  return Array.from(levels, (level) => characters.charAt(level)).join('');
}

/** The level of each of `partCount` parts. */
export function sharesOf(told: string, partCount: number): Uint8Array {
  const levels = new Uint8Array(partCount);
  for (let part = 0; part < Math.min(partCount, told.length); part += 1)
    levels[part] = levelOf.get(told.charAt(part)) ?? 0;
  return levels;
}
