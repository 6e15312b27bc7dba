/**
 * The questions of which signatures are made (recognisers.ts): whether a sector holds certain bytes at certain
 * places. Each looks at the sector as it stands or with every bit inverted (`flip` is 0 or 255), so that one
 * table knows what is plain and what is masked. Nothing is allocated when one is asked.
 */

/** Whether the sector that begins at `at`, with each byte XORed with `flip`, has the property. */
export type SignatureTest = (bytes: Uint8Array, at: number, flip: number) => boolean;

export type ByteOrder = 'little' | 'big';

/** Where a number stands in its sector, and how. */
export interface Field {
  readonly at: number;
  readonly lengthBytes: 1 | 2 | 4;
  readonly order: ByteOrder;
}

export function le(at: number, lengthBytes: 2 | 4): Field {
  return { at, lengthBytes, order: 'little' };
}

export function be(at: number, lengthBytes: 2 | 4): Field {
  return { at, lengthBytes, order: 'big' };
}

export function byte(at: number): Field {
  return { at, lengthBytes: 1, order: 'little' };
}

export function hasBytes(offset: number, wanted: readonly number[]): SignatureTest {
  const expected = Uint8Array.from(wanted);
  return (bytes, at, flip) => {
    for (let index = 0; index < expected.length; index += 1) {
      if (((bytes[at + offset + index] as number) ^ flip) !== expected[index]) return false;
    }
    return true;
  };
}

/** `text` in Latin-1: one byte for each character. */
export function hasText(offset: number, text: string): SignatureTest {
  return hasBytes(offset, [...Buffer.from(text, 'latin1')]);
}

/** Both ends included. */
export function isBetween(field: Field, least: number, most: number): SignatureTest {
  return (bytes, at, flip) => {
    const value = numberAt(bytes, at, flip, field);
    return value >= least && value <= most;
  };
}

export function isOneOf(field: Field, values: readonly number[]): SignatureTest {
  return (bytes, at, flip) => values.includes(numberAt(bytes, at, flip, field));
}

export function isPowerOfTwo(field: Field, least: number, most: number): SignatureTest {
  return (bytes, at, flip) => {
    const value = numberAt(bytes, at, flip, field);
    return value >= least && value <= most && (value & (value - 1)) === 0;
  };
}

export function anyOf(...tests: readonly SignatureTest[]): SignatureTest {
  return (bytes, at, flip) => {
    for (const test of tests) if (test(bytes, at, flip)) return true;
    return false;
  };
}

export function allOf(...tests: readonly SignatureTest[]): SignatureTest {
  return (bytes, at, flip) => {
    for (const test of tests) if (!test(bytes, at, flip)) return false;
    return true;
  };
}

function numberAt(bytes: Uint8Array, at: number, flip: number, field: Field): number {
  const { lengthBytes, order } = field;
  let value = 0;
  for (let index = 0; index < lengthBytes; index += 1) {
    const place = order === 'big' ? index : lengthBytes - 1 - index;
    value = value * 256 + ((bytes[at + field.at + place] as number) ^ flip);
  }
  return value;
}
