/**
 * Reads the files that nobody changes and compares them with what was written, again and again. Each once
 * before any of them twice, so that most come from the disk and not from memory.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../../base/error.ts';
import type { FileContent } from '../acknowledged.ts';
import { contentOf, differenceOf, expectedFiles, fileRecordSchema, readRecords } from '../acknowledged.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Actor, ActorSetting } from './actor.ts';

export class Reader implements Actor {
  readonly #setting: ActorSetting;
  readonly #files: readonly (readonly [string, FileContent])[];
  #next = 0;

  constructor(setting: ActorSetting) {
    this.#setting = setting;
    const expected = expectedFiles(readRecords(setting.treeRecordPath, fileRecordSchema));
    // Two readers go different ways: the log's path differs.
    this.#files = new SeededRandom(setting.recordPath).shuffled([...expected]);
  }

  open(): void {}

  step(): void {
    const { volume, timed } = this.#setting;
    const [path, expected] = present(this.#files[this.#next], 'a file of the tree');
    this.#next = (this.#next + 1) % this.#files.length;
    const bytes = timed(() => readFileSync(join(volume, path)));
    const difference = differenceOf(expected, contentOf(bytes));
    if (difference !== undefined) throw new Error(`${path} ${difference}`);
  }

  close(): void {}
}
