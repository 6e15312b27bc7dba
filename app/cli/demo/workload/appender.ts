/**
 * Keeps logs: appends entries and makes each durable, begins a new file when one is long, and removes the
 * oldest. So files grow, come and go; the number and the size of the logs stay bounded.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kibibyte, mebibyte } from '../../../base/units.ts';
import { present } from '../../../base/error.ts';
import type { FileContent, FileRecord } from '../acknowledged.ts';
import { RecordLog } from '../acknowledged.ts';
import { SeededRandom } from '../seeded-random.ts';
import type { Actor, ActorSetting } from './actor.ts';
import { expectContent, syncFolder } from './files.ts';

const folder = 'logs';
const entryBytesMax = 16 * kibibyte;
const fileBytesMax = 2 * mebibyte;
const filesMax = 4;

interface LogFile {
  readonly path: string;
  readonly hash: Hash;
  content: FileContent;
}

export class Appender implements Actor {
  readonly #setting: ActorSetting;
  readonly #log: RecordLog<FileRecord>;
  readonly #random = new SeededRandom('appender');
  /** Oldest first; the last is appended to. */
  readonly #files: LogFile[] = [];
  #filesBegun = 0;
  #fd = -1;

  constructor(setting: ActorSetting) {
    this.#setting = setting;
    this.#log = new RecordLog(setting.recordPath);
  }

  open(): void {
    const { volume } = this.#setting;
    mkdirSync(join(volume, folder), { recursive: true });
    for (const { path, content } of this.#files) expectContent(volume, path, content);
    const current = this.#files.at(-1);
    if (current === undefined) this.#begin();
    else this.#fd = openSync(join(volume, current.path), 'a');
  }

  step(): void {
    const file = present(this.#files.at(-1), 'the log that is appended to');
    const entry = this.#random.bytes(1 + this.#random.integerBelow(entryBytesMax));
    this.#setting.timed(() => {
      writeFileSync(this.#fd, entry);
      fdatasyncSync(this.#fd);
    });
    file.hash.update(entry);
    file.content = {
      sizeBytes: file.content.sizeBytes + entry.length,
      sha256: file.hash.copy().digest('hex'),
    };
    this.#log.add({ path: file.path, content: file.content });
    if (file.content.sizeBytes >= fileBytesMax) this.#rotate();
  }

  close(): void {
    closeSync(this.#fd);
  }

  #rotate(): void {
    closeSync(this.#fd);
    if (this.#files.length === filesMax) this.#removeOldest();
    this.#begin();
  }

  #begin(): void {
    const { volume, timed } = this.#setting;
    const path = join(folder, `log-${this.#filesBegun}`);
    const hash = createHash('sha256');
    timed(() => {
      this.#fd = openSync(join(volume, path), 'ax');
      syncFolder(join(volume, folder));
    });
    this.#filesBegun += 1;
    const content = { sizeBytes: 0, sha256: hash.copy().digest('hex') };
    this.#files.push({ path, hash, content });
    this.#log.add({ path, content });
  }

  #removeOldest(): void {
    const { volume, timed } = this.#setting;
    const { path } = present(this.#files.shift(), 'the oldest log');
    timed(() => {
      rmSync(join(volume, path));
      syncFolder(join(volume, folder));
    });
    this.#log.add({ path, content: null });
  }
}
