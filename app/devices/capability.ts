/** What the kernel lets this process do besides being root: capabilities(7), as /proc shows them. */
import { readFileSync } from 'node:fs';

/** From linux/capability.h: growing a mounted ext4 asks for it (ext4_resize_begin in fs/ext4/resize.c). */
export const capabilitySysResource = 24;

export function hasCapability(number: number): boolean {
  return parseCapabilities(readFileSync('/proc/self/status', 'utf8'), number);
}

/** Pure. The effective ones are a number in hexadecimal digits, one bit each. */
export function parseCapabilities(status: string, number: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(number)) & 1n) === 1n;
}
