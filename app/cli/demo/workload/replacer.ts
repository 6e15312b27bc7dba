/**
 * Saves documents as careful programs do: the new version under another name, made durable, then renamed over
 * the old one, then the folder made durable.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kibibyte } from '../../../base/units.ts';
import type { FileContent, FileRecord } from '../acknowledged.ts';
import { contentOf, RecordLog } from '../acknowledged.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Actor, ActorSetting } from './actor.ts';
import { expectContent, syncFolder } from './files.ts';

const folder = 'documents';
const documentCount = 64;
const documentBytesMax = 64 * kibibyte;

export class Replacer implements Actor {
  readonly #setting: ActorSetting;
  readonly #log: RecordLog<FileRecord>;
  readonly #random = new SeededRandom('replacer');
  readonly #documents = new Map<string, FileContent>();

  constructor(setting: ActorSetting) {
    this.#setting = setting;
    this.#log = new RecordLog(setting.recordPath);
  }

  open(): void {
    const { volume } = this.#setting;
    mkdirSync(join(volume, folder), { recursive: true });
    for (const [path, content] of this.#documents) expectContent(volume, path, content);
  }

  step(): void {
    const { volume, timed } = this.#setting;
    const path = join(folder, `document-${this.#random.integerBelow(documentCount)}`);
    const version = this.#random.bytes(this.#random.integerBelow(documentBytesMax));
    const newPath = join(volume, `${path}.new`);
    timed(() => {
      writeFileSync(newPath, version, { flush: true });
      renameSync(newPath, join(volume, path));
      syncFolder(join(volume, folder));
    });
    const content = contentOf(version);
    this.#documents.set(path, content);
    this.#log.add({ path, content });
  }

  /** Every save has closed its file. */
  close(): void {}
}
