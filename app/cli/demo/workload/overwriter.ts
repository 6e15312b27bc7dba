/**
 * Changes pieces of any size at any place of a few large files, as virtual machines do with their images, and
 * makes each durable. What the files must hold it has in memory.
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { assert, present } from '../../../base/error.ts';
import { kibibyte, mebibyte } from '../../../base/units.ts';
import type { FileRecord } from '../acknowledged.ts';
import { contentOf, RecordLog } from '../acknowledged.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Actor, ActorSetting } from './actor.ts';
import { expectContent, syncFolder } from './files.ts';

const folder = 'images';
const fileCount = 4;
const fileBytes = mebibyte;
const pieceBytesMax = 64 * kibibyte;

interface ImageFile {
  readonly path: string;
  /** What the file must hold now. */
  readonly bytes: Buffer;
  fd: number;
}

export class Overwriter implements Actor {
  readonly #setting: ActorSetting;
  readonly #log: RecordLog<FileRecord>;
  readonly #random = new SeededRandom('overwriter');
  readonly #files: ImageFile[] = [];

  constructor(setting: ActorSetting) {
    this.#setting = setting;
    this.#log = new RecordLog(setting.recordPath);
  }

  open(): void {
    const { volume } = this.#setting;
    if (this.#files.length === 0) this.#create();
    for (const file of this.#files) {
      expectContent(volume, file.path, contentOf(file.bytes));
      file.fd = openSync(join(volume, file.path), 'r+');
    }
  }

  step(): void {
    const { path, bytes, fd } = present(
      this.#files[this.#random.integerBelow(fileCount)],
      'one of the images',
    );
    const piece = this.#random.bytes(1 + this.#random.integerBelow(pieceBytesMax));
    const offsetBytes = this.#random.integerBelow(fileBytes - piece.length + 1);
    this.#setting.timed(() => {
      const writtenBytes = writeSync(fd, piece, 0, piece.length, offsetBytes);
      assert(writtenBytes === piece.length, 'a regular file takes a piece whole or fails');
      fdatasyncSync(fd);
    });
    piece.copy(bytes, offsetBytes);
    this.#log.add({ path, content: contentOf(bytes) });
  }

  close(): void {
    for (const { fd } of this.#files) closeSync(fd);
  }

  #create(): void {
    const { volume } = this.#setting;
    mkdirSync(join(volume, folder), { recursive: true });
    for (let index = 0; index < fileCount; index += 1) {
      const path = join(folder, `image-${index}`);
      const bytes = this.#random.bytes(fileBytes);
      writeFileSync(join(volume, path), bytes, { flush: true });
      this.#files.push({ path, bytes, fd: -1 });
    }
    syncFolder(join(volume, folder));
    this.#log.add(...this.#files.map(({ path, bytes }) => ({ path, content: contentOf(bytes) })));
  }
}
