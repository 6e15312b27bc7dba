/**
 * Changes a directory all the time as programs do: creates, appends, overwrites, truncates, replaces by
 * rename, links, unlinks, punches holes, leaves holes, sets attributes, fsyncs; and reads back what it wrote.
 * It knows what the tree must hold after each step. One step at a time; several changers have a directory
 * each.
 */
import { constants } from 'node:fs';
import {
  chmod,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rmdir,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { present } from '../../../app/base/error.ts';
import { kibibyte } from '../../../app/base/units.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { Random } from '../../sim/random.ts';
import type { FileState, FileTree } from './file-tree.ts';

const filesMax = 120;
const fileBytesMax = 512 * kibibyte;
const writeBytesMax = 96 * kibibyte;

export class TreeChanger {
  readonly tree: FileTree = new Map();
  readonly #directory: string;
  readonly #random: Random;
  #lastName = 0;

  /** `directory` exists and is empty. */
  constructor(directory: string, seed: number) {
    this.#directory = directory;
    this.#random = new Random(seed);
  }

  async step(): Promise<void> {
    const files = this.#names('file');
    if (files.length < 10) return this.#create();
    if (files.length > filesMax) return this.#unlink();
    const steps = [
      () => this.#create(),
      () => this.#replace(),
      () => this.#append(),
      () => this.#overwrite(),
      () => this.#leaveHole(),
      () => this.#punchHole(),
      () => this.#truncate(),
      () => this.#readBack(),
      () => this.#rename(),
      () => this.#unlink(),
      () => this.#link(),
      () => this.#linkSymbolically(),
      () => this.#makeDirectory(),
      () => this.#removeDirectory(),
      () => this.#setAttribute(),
      () => this.#changeMode(),
      () => this.#syncDirectory(),
    ];
    await this.#random.pick(steps)();
  }

  // ---- files

  async #create(): Promise<void> {
    const name = this.#newName();
    const content = this.#bytes();
    await writeFile(this.#path(name), content, { flag: 'wx', mode: 0o644, flush: this.#random.chance(0.3) });
    this.tree.set(name, { kind: 'file', content, mode: 0o644, attributes: new Map() });
  }

  /** As editors and databases do it: a new file, made durable, takes the old one's name. */
  async #replace(): Promise<void> {
    const name = this.#pickFile();
    const next = this.#newName();
    const content = this.#bytes();
    await writeFile(this.#path(next), content, { flag: 'wx', mode: 0o644, flush: true });
    await rename(this.#path(next), this.#path(name));
    this.tree.set(name, { kind: 'file', content, mode: 0o644, attributes: new Map() });
  }

  async #append(): Promise<void> {
    const name = this.#pickFile();
    const { content } = this.#file(name);
    await this.#write(name, content.length, this.#bytes());
  }

  async #overwrite(): Promise<void> {
    const name = this.#pickFile();
    const { content } = this.#file(name);
    await this.#write(name, this.#random.between(0, content.length), this.#bytes());
  }

  async #leaveHole(): Promise<void> {
    const name = this.#pickFile();
    const { content } = this.#file(name);
    await this.#write(name, content.length + this.#random.between(1, 64 * kibibyte), this.#bytes());
  }

  async #write(name: string, offset: number, bytes: Buffer): Promise<void> {
    const file = this.#file(name);
    if (offset + bytes.length > fileBytesMax) {
      await this.#truncateTo(name, this.#random.between(0, 8 * kibibyte));
      return;
    }
    const handle = await open(this.#path(name), constants.O_RDWR);
    try {
      await handle.write(bytes, 0, bytes.length, offset);
      if (this.#random.chance(0.3)) await handle.sync();
    } finally {
      await handle.close();
    }
    const grown = Buffer.alloc(Math.max(file.content.length, offset + bytes.length));
    file.content.copy(grown);
    bytes.copy(grown, offset);
    file.content = grown;
  }

  /** Node has no fallocate(2). */
  async #punchHole(): Promise<void> {
    const name = this.#pickFile();
    const file = this.#file(name);
    if (file.content.length < 2) return;
    const offset = this.#random.between(0, file.content.length - 2);
    const length = this.#random.between(1, file.content.length - offset);
    const range = ['--offset', String(offset), '--length', String(length)];
    await runCommand('fallocate', ['--punch-hole', ...range, this.#path(name)], 'punching a hole');
    file.content = Buffer.from(file.content).fill(0, offset, offset + length);
  }

  async #truncate(): Promise<void> {
    const name = this.#pickFile();
    await this.#truncateTo(name, this.#random.between(0, this.#file(name).content.length));
  }

  async #truncateTo(name: string, length: number): Promise<void> {
    const file = this.#file(name);
    await truncate(this.#path(name), length);
    const kept = Buffer.alloc(length);
    file.content.copy(kept);
    file.content = kept;
  }

  async #readBack(): Promise<void> {
    const name = this.#pickFile();
    const { content } = this.#file(name);
    expect(Buffer.compare(await readFile(this.#path(name)), content), `content of ${name}`).toBe(0);
  }

  async #setAttribute(): Promise<void> {
    const name = this.#pickFile();
    const [attribute, value] = [
      `user.${this.#random.pick(['one', 'two', 'three'])}`,
      this.#bytes(200).toString('hex'),
    ];
    await runCommand(
      'setfattr',
      ['-n', attribute, '-v', `0x${value}`, this.#path(name)],
      'setting an attribute',
    );
    this.#file(name).attributes.set(attribute, `0x${value}`);
  }

  async #changeMode(): Promise<void> {
    const name = this.#pickFile();
    const mode = this.#random.pick([0o600, 0o640, 0o755]);
    await chmod(this.#path(name), mode);
    this.#file(name).mode = mode;
  }

  // ---- names

  /** To a new name, or over another file. */
  async #rename(): Promise<void> {
    const from = this.#pickFile();
    const to = this.#random.chance(0.5) ? this.#newName() : this.#pickFile();
    const file = this.#file(from);
    // rename(2) does nothing when both names are links to one file.
    if (this.tree.get(to) === file) return;
    await rename(this.#path(from), this.#path(to));
    this.tree.delete(from);
    this.tree.set(to, file);
  }

  async #unlink(): Promise<void> {
    const name = this.#pickFile();
    await unlink(this.#path(name));
    this.tree.delete(name);
  }

  async #link(): Promise<void> {
    const name = this.#pickFile();
    const other = this.#newName();
    await link(this.#path(name), this.#path(other));
    this.tree.set(other, this.#file(name));
  }

  async #linkSymbolically(): Promise<void> {
    const name = this.#newName();
    const target = `../${this.#pickFile()}`;
    await symlink(target, this.#path(name));
    this.tree.set(name, { kind: 'symbolic link', target });
  }

  async #makeDirectory(): Promise<void> {
    const name = this.#newName();
    await mkdir(this.#path(name));
    this.tree.set(name, { kind: 'directory' });
  }

  async #removeDirectory(): Promise<void> {
    const empty = this.#names('directory').filter(
      (name) => ![...this.tree.keys()].some((path) => path.startsWith(`${name}/`)),
    );
    if (empty.length === 0) return;
    const name = this.#random.pick(empty);
    await rmdir(this.#path(name));
    this.tree.delete(name);
  }

  async #syncDirectory(): Promise<void> {
    const handle = await open(this.#directory, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  #names(kind: 'file' | 'directory'): string[] {
    return [...this.tree].filter(([, node]) => node.kind === kind).map(([name]) => name);
  }

  #pickFile(): string {
    return this.#random.pick(this.#names('file'));
  }

  #file(name: string): FileState {
    const node = present(this.tree.get(name), `a node named ${name}`);
    if (node.kind !== 'file') throw new Error(`${name} is a ${node.kind}`);
    return node;
  }

  #newName(): string {
    this.#lastName += 1;
    const name = `n${this.#lastName}`;
    const directories = this.#names('directory');
    return directories.length > 0 && this.#random.chance(0.6)
      ? join(this.#random.pick(directories), name)
      : name;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }

  #bytes(lengthMax = writeBytesMax): Buffer {
    const bytes = Buffer.alloc(this.#random.low(1, lengthMax));
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = this.#random.between(0, 255);
    return bytes;
  }
}
