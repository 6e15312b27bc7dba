/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), which finds every burst of errors up to 32 bits. In
 * TypeScript, eight bytes a step: Node has only the other CRC-32 (zlib), and a call of the addon per record
 * would gain nothing. It takes 64 MiB, the maps of 1 TiB, in about a tenth of a second, and those are summed
 * 128 KiB at a time.
 *
 * Sums are signed 32-bit numbers: of unsigned ones the upper half would be allocated when they are passed on.
 */
const castagnoli = 0x82f63b78 | 0;
const stepBytes = 8;
const sumBits = 32;

/** Row n tells what a byte does to the sum when n more bytes follow it in the same step. */
const rows = makeRows();

/** The sum of `bytes` from `from` to before `end`, continuing the sum `before` of what comes before them. */
export function crc32c(bytes: Uint8Array, from: number, end: number, before = 0): number {
  let sum = ~before;
  let at = from;
  for (; at + stepBytes <= end; at += stepBytes) sum = stepOf(bytes, at, sum);
  for (; at < end; at += 1) sum = row(0, sum ^ byte(bytes, at)) ^ (sum >>> 8);
  return ~sum;
}

/** The sum of so many zeroes, in as many steps as the number has bits: what a zero does to a sum is linear. */
export function crc32cOfZeroes(count: number): number {
  let power = Int32Array.from({ length: sumBits }, (_, bit) => afterZero(1 << bit));
  let sum = ~0;
  for (let left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) sum = transformed(power, sum);
    const last = power;
    power = last.map((column) => transformed(last, column));
  }
  return ~sum;
}

function afterZero(sum: number): number {
  return row(0, sum) ^ (sum >>> 8);
}

/** By a matrix of one column for each bit. */
function transformed(columns: Int32Array, sum: number): number {
  let result = 0;
  for (let bit = 0; bit < sumBits; bit += 1) if ((sum >>> bit) & 1) result ^= columns[bit] as number;
  return result;
}

function stepOf(bytes: Uint8Array, at: number, sum: number): number {
  const first = sum ^ byte(bytes, at);
  const second = (sum >>> 8) ^ byte(bytes, at + 1);
  const third = (sum >>> 16) ^ byte(bytes, at + 2);
  const fourth = (sum >>> 24) ^ byte(bytes, at + 3);
  return (
    row(7, first) ^
    row(6, second) ^
    row(5, third) ^
    row(4, fourth) ^
    row(3, byte(bytes, at + 4)) ^
    row(2, byte(bytes, at + 5)) ^
    row(1, byte(bytes, at + 6)) ^
    row(0, byte(bytes, at + 7))
  );
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

function row(number: number, index: number): number {
  return rows[number * 256 + (index & 255)] as number;
}

function makeRows(): Int32Array {
  const made = new Int32Array(stepBytes * 256);
  for (let index = 0; index < 256; index += 1) {
    let sum = index;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ castagnoli : sum >>> 1;
    made[index] = sum;
  }
  for (let index = 256; index < made.length; index += 1) {
    const shorter = made[index - 256] as number;
    made[index] = (made[shorter & 255] as number) ^ (shorter >>> 8);
  }
  return made;
}
