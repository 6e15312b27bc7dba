/**
 * Programs that use a volume without a break: tree changers, each in its own directory, until the job's stop
 * command tells them to let go. Stopping is a file that appears, and a second one that says it is done, so
 * that the commands are plain shell.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FileTree } from './file-tree.ts';
import { expectTree } from './file-tree.ts';
import type { Scratch } from './scratch.ts';
import { TreeChanger } from './tree-changer.ts';
import { waitUntil } from './wait.ts';

export interface ChangedDirectory {
  readonly directory: string;
  readonly seed: number;
}

const pollMs = 5;

export class Workload {
  /** Steps done by all changers. */
  steps = 0;
  readonly #stopFile: string;
  readonly #stoppedFile: string;
  readonly #changers: readonly { readonly directory: string; readonly changer: TreeChanger }[];
  readonly #running: Promise<unknown>;
  #restCount = 0;
  #isEnding = false;

  /** The directories are made; their volume is mounted. */
  static async start(scratch: Scratch, directories: readonly ChangedDirectory[]): Promise<Workload> {
    for (const { directory } of directories) await mkdir(directory);
    const workload = new Workload(
      scratch.path('workload-stop'),
      scratch.path('workload-stopped'),
      directories,
    );
    scratch.onRelease('the workload', () => workload.end());
    return workload;
  }

  private constructor(stopFile: string, stoppedFile: string, directories: readonly ChangedDirectory[]) {
    this.#stopFile = stopFile;
    this.#stoppedFile = stoppedFile;
    this.#changers = directories.map(({ directory, seed }) => ({
      directory,
      changer: new TreeChanger(directory, seed),
    }));
    this.#running = Promise.all(this.#changers.map(({ changer }) => this.#run(changer)));
  }

  /** For `--stop-command`: returns when no changer has anything open. */
  get stopCommand(): string {
    return `touch ${this.#stopFile}; while [ ! -e ${this.#stoppedFile} ]; do sleep 0.01; done`;
  }

  get startCommand(): string {
    return `rm ${this.#stopFile}; while [ -e ${this.#stoppedFile} ]; do sleep 0.01; done`;
  }

  get isStopped(): boolean {
    return existsSync(this.#stopFile);
  }

  get trees(): readonly { readonly directory: string; readonly tree: FileTree }[] {
    return this.#changers.map(({ directory, changer }) => ({ directory, tree: changer.tree }));
  }

  /** Until so many more steps are done. */
  async doSteps(count: number): Promise<void> {
    const wanted = this.steps + count;
    const done = waitUntil(`the workload has done ${count} steps`, () => this.steps >= wanted);
    await Promise.race([done, this.#running]);
  }

  /** Throws what a changer failed with. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  /** Compares what lies in the directories with what must. Ended or stopped. */
  async expectTrees(): Promise<void> {
    for (const { directory, tree } of this.trees) await expectTree(directory, tree);
  }

  async #run(changer: TreeChanger): Promise<void> {
    while (!this.#isEnding) {
      if (existsSync(this.#stopFile)) await this.#rest();
      else {
        await changer.step();
        this.steps += 1;
      }
    }
  }

  /** The last one to rest says that all do, the first one to go on takes it back. */
  async #rest(): Promise<void> {
    this.#restCount += 1;
    if (this.#restCount === this.#changers.length) writeFileSync(this.#stoppedFile, '');
    while (existsSync(this.#stopFile) && !this.#isEnding) await sleep(pollMs);
    this.#restCount -= 1;
    rmSync(this.#stoppedFile, { force: true });
  }
}
