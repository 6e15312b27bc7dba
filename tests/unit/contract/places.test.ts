import { describe, expect, test } from 'vitest';
import { levelFor, levelMax, partsMax } from '../../../app/contract/place-levels.ts';
import { placesSchema, sharesOf, sharesText } from '../../../app/contract/places.ts';

describe('shares of parts', () => {
  test('are read as they were told', () => {
    const levels = Uint8Array.from({ length: levelMax + 1 }, (_, level) => level);
    const told = sharesText(levels);
    expect(sharesOf(told, levels.length)).toEqual(levels);
    const none = { partBytes: 4096, crossed: told, written: '', free: '', unreadable: '' };
    expect(placesSchema.safeParse(none).success).toBe(true);
  });

  test('are an empty text where there is nothing, and nothing where the text ends', () => {
    expect(sharesText(new Uint8Array(partsMax))).toBe('');
    expect(sharesOf('', 3)).toEqual(new Uint8Array(3));
    expect([...sharesOf('_', 3)]).toEqual([levelMax, 0, 0]);
  });

  test('say none and all of nothing else', () => {
    expect([levelFor(0, 9), levelFor(9, 9)]).toEqual([0, levelMax]);
    expect([levelFor(1, 1e9), levelFor(1e9 - 1, 1e9)]).toEqual([1, levelMax - 1]);
  });

  test('longer than a map is are refused', () => {
    const places = { partBytes: 1, crossed: 'A'.repeat(partsMax + 1), written: '', free: '', unreadable: '' };
    expect(placesSchema.safeParse(places).success).toBe(false);
    expect(placesSchema.safeParse({ ...places, crossed: '<' }).success).toBe(false);
  });
});
