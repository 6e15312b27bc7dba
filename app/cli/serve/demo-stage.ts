/**
 * What `serve --demo` makes, so that anyone can try the wizard: two disks out of files, a mounted volume with files on
 * the first, and a service of its own that no other client reaches. Moves that still run at the end are undone, then
 * everything is taken away again, as the other demo does it (demo/stage.ts).
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtFile } from '../../base/built-file.ts';
import { DiskferryError } from '../../base/error.ts';
import { mebibyte } from '../../base/units.ts';
import { OfferedDisks } from '../../client/offered-disks.ts';
import { ServiceClient } from '../../client/service-client.ts';
import { mustRun, programEnvironment } from '../demo/programs.ts';
import { Stage } from '../demo/stage.ts';

/** Both are of one size, so that one can move to and fro. */
const diskBytes = 512 * mebibyte;
const filesBytes = 300 * mebibyte;
const undoMsMax = 60_000;
const serviceMsMax = 30_000;
const pollMs = 200;

export class DemoStage {
  readonly socketPath: string;
  readonly offered: OfferedDisks;
  readonly #stage: Stage;
  readonly #service: ChildProcess;

  /** Throws `not-root`, and whatever keeps it from being made, with nothing left behind. */
  static async make(): Promise<DemoStage> {
    if (process.geteuid?.() !== 0) throw new DiskferryError('not-root', 'the demo makes loop devices, which needs root');
    const stage = await Stage.make(diskBytes);
    try {
      const source = await stage.makeDisk('source', diskBytes);
      await mustRun('mkfs.ext4', ['-q', '-L', 'demo', source]);
      await stage.mount(source);
      writeFileSync(join(stage.volume, 'photos.bin'), randomFillSync(Buffer.alloc(filesBytes)));
      const destination = await stage.makeDisk('destination', diskBytes);
      return new DemoStage(stage, [source, destination]);
    } catch (error) {
      await stage.clear();
      throw error;
    }
  }

  private constructor(stage: Stage, disks: readonly string[]) {
    this.#stage = stage;
    this.offered = new OfferedDisks(disks);
    this.socketPath = join(stage.directory, 'service.sock');
    const parameters = [builtFile('app/service/main.js'), '--socket', this.socketPath, '--state-dir', stage.state];
    // Apart from the terminal: Ctrl-C is for us, who end it when its moves have ended.
    const options = { detached: true, env: programEnvironment(), stdio: 'ignore' } as const;
    this.#service = spawn(process.execPath, parameters, options);
    // The wizard says that it does not answer.
    this.#service.on('error', () => undefined);
  }

  async clear(): Promise<void> {
    await this.#undoAll();
    await this.#endService();
    await this.#stage.clear();
  }

  /** As far as they can be: what is left of a move is taken away with the stage. */
  async #undoAll(): Promise<void> {
    const client = await ServiceClient.connect(this.socketPath).catch(() => undefined);
    if (client === undefined) return;
    try {
      const jobs = async () => (await client.request('list', {})).jobs.filter(({ state }) => state !== 'died');
      for (const { job } of await jobs()) await client.request('undo', { job }).catch(() => undefined);
      for (let waitedMs = 0; waitedMs < undoMsMax && (await jobs()).length > 0; waitedMs += pollMs) await sleep(pollMs);
      for (const { processId } of await jobs()) if (processId !== null) process.kill(processId, 'SIGKILL');
    } finally {
      client.close();
    }
  }

  async #endService(): Promise<void> {
    const service = this.#service;
    if (service.pid === undefined || service.exitCode !== null || service.signalCode !== null) return;
    const ended = new Promise((resolve) => service.once('exit', resolve));
    service.kill('SIGTERM');
    const timer = setTimeout(() => service.kill('SIGKILL'), serviceMsMax);
    await ended;
    clearTimeout(timer);
  }
}
