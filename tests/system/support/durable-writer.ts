/**
 * A consumer who trusts only what was flushed: writes blocks with O_DSYNC, one after the other at random
 * places, until the device fails. What it was told is durable must be there after any crash; the one block
 * under way then may be old or new.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { expect } from 'vitest';
import { Random } from '../../sim/random.ts';
import { readPart } from './loop-disk.ts';

const blockBytes = 4096;

export class DurableWriter {
  readonly #random: Random;
  readonly #expected: Buffer;
  #underWay: { readonly at: number; readonly content: Buffer } | undefined;
  #count = 0;

  /** `expected` is what the device shows now. */
  constructor(seed: number, expected: Buffer) {
    this.#random = new Random(seed);
    this.#expected = expected;
  }

  /** Durable writes so far. */
  get count(): number {
    return this.#count;
  }

  /** What is known now, whatever is written later. */
  snapshot(): DurableWriter {
    const copy = new DurableWriter(0, Buffer.from(this.#expected));
    copy.#underWay = this.#underWay;
    copy.#count = this.#count;
    return copy;
  }

  /** Until the device fails, as that of a killed job does. */
  async writeUntilItFails(device: string): Promise<void> {
    const handle = await open(device, constants.O_RDWR | constants.O_DSYNC);
    try {
      for (;;) await this.#writeOne(handle);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toMatch(/EIO|ENXIO|ENODEV/);
    } finally {
      await handle.close();
    }
  }

  /** On the disk or image on which the job has ended. */
  expectOn(path: string): void {
    const found = readPart(path, 0, this.#expected.length);
    if (this.#underWay !== undefined) {
      const { at, content } = this.#underWay;
      if (found.subarray(at, at + blockBytes).equals(content)) content.copy(this.#expected, at);
    }
    for (let at = 0; at < found.length; at += blockBytes) {
      const isSame = found.subarray(at, at + blockBytes).equals(this.#expected.subarray(at, at + blockBytes));
      expect(isSame, `block at ${at} of ${path} after ${this.#count} durable writes`).toBe(true);
    }
  }

  async #writeOne(handle: FileHandle): Promise<void> {
    const at = this.#random.between(0, this.#expected.length / blockBytes - 1) * blockBytes;
    const content = Buffer.alloc(blockBytes, this.#count.toString(16).padStart(8, '0'));
    this.#underWay = { at, content };
    await handle.write(content, 0, blockBytes, at);
    content.copy(this.#expected, at);
    this.#underWay = undefined;
    this.#count += 1;
  }
}
