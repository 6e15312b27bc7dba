/**
 * A place of its own for each system test: a tmpfs for its disk images, mount points and job directories.
 * After the test, whether it passed or not, processes that it started are ended, then every mount in the
 * scratch and every loop device over a file in it is taken away, then the scratch itself.
 *
 * What Diskferry left behind is looked for first: a job that has ended leaves no mount, no loop device and no
 * job directory, and every test checks that.
 */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { present } from '../../../app/base/error.ts';
import { ReleaseStack } from '../../../app/base/release.ts';
import { runCommand } from '../../../app/devices/command.ts';
import { sweep, tracesIn } from './traces.ts';

/** Only what is written takes memory. */
const sizeLimit = '6G';

export class Scratch {
  readonly directory: string;
  readonly #held: ReleaseStack;

  static async make(): Promise<Scratch> {
    const directory = mkdtempSync(join(tmpdir(), 'diskferry-system-'));
    const held = new ReleaseStack();
    held.add('the scratch directory', () => rmdirSync(directory));
    const parameters = ['-t', 'tmpfs', '-o', `size=${sizeLimit}`, 'diskferry-test', directory];
    await runCommand('mount', parameters, 'mounting the scratch');
    held.add('the scratch tmpfs', async () => {
      await runCommand('umount', [directory], 'unmounting the scratch');
    });
    return new Scratch(directory, held);
  }

  private constructor(directory: string, held: ReleaseStack) {
    this.directory = directory;
    this.#held = held;
    this.onRelease('what was left behind', () => sweep(directory));
  }

  /** Where the jobs of this test keep their state. */
  get stateDirectory(): string {
    return join(this.directory, 'state');
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  async makeDirectory(name: string): Promise<string> {
    const path = this.path(name);
    await mkdir(path, { recursive: true });
    return path;
  }

  onRelease(what: string, release: () => Promise<void> | void): void {
    this.#held.add(what, release);
  }

  /** Mounts, loop devices and job directories of jobs that have ended or been killed. */
  async tracesOfJobs(): Promise<string[]> {
    return tracesIn(this.stateDirectory);
  }

  async releaseAll(): Promise<void> {
    await this.#held.releaseAll();
  }
}

/** A scratch for each test of the file. A test that means to leave traces says so by sweeping them itself. */
export function useScratch(): () => Scratch {
  let scratch: Scratch | undefined;
  const current = (): Scratch => present(scratch, 'a scratch exists while a test runs');
  beforeEach(async () => {
    scratch = await Scratch.make();
  });
  afterEach(async ({ task }) => {
    const used = current();
    try {
      if (task.result?.state === 'pass') expect(await used.tracesOfJobs()).toEqual([]);
    } finally {
      await used.releaseAll();
      scratch = undefined;
    }
  });
  return current;
}
