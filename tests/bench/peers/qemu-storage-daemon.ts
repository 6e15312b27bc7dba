/**
 * QEMU's storage daemon with one disk exported over FUSE (a loop device on top, as with our fuse frontend)
 * and NBD, driven by its machine protocol (QMP): it is also the peer that moves a disk under a consumer
 * (blockdev-mirror).
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { present } from '../../../app/base/error.ts';
import { attachLoop } from '../bench-disks.ts';
import type { Bench } from '../benchmark.ts';
import type { Disks } from './copy-tools.ts';
import type { Daemon } from './daemon.ts';
import { emptyFile, hasEnded, startDaemon, untilServing } from './daemon.ts';

export type MirrorMode = 'background' | 'write-blocking';

export interface NbdExport {
  readonly socketPath: string;
  readonly exportName: string;
  readonly uri: string;
}

const jobName = 'move';

const answerMsMax = 10_000;
const pollMs = 10;

const Line = z.object({
  /** The greeting, before any command. */
  QMP: z.unknown().optional(),
  event: z.string().optional(),
  error: z.object({ desc: z.string() }).optional(),
});
type Line = z.infer<typeof Line>;

export class QemuStorageDaemon {
  readonly #daemon: Daemon;
  readonly #answers: Line[] = [];
  readonly #events = new Set<string>();

  static async start(bench: Bench, disks: Disks): Promise<QemuStorageDaemon> {
    const qemu = new QemuStorageDaemon(bench, disks);
    await qemu.#execute('qmp_capabilities');
    return qemu;
  }

  private constructor(bench: Bench, { source, destination }: Disks) {
    const disk = (name: string, path: string): string =>
      `driver=host_device,node-name=${name},filename=${path},cache.direct=on,aio=io_uring`;
    this.#daemon = startDaemon(bench, 'qemu-storage-daemon', [
      ...['--chardev', 'stdio,id=control', '--monitor', 'chardev=control'],
      ...['--blockdev', disk('source', source.path), '--blockdev', disk('destination', destination.path)],
    ]);
    createInterface({ input: this.#daemon.stdout }).on('line', (text) => {
      const line = Line.parse(JSON.parse(text));
      if (line.event !== undefined) this.#events.add(line.event);
      else if (line.QMP === undefined) this.#answers.push(line);
    });
  }

  /** Exports the source over FUSE; returns the loop device on top. */
  async exportFuse(bench: Bench, sizeBytes: number): Promise<string> {
    const mountpoint = await emptyFile(bench, 'qemu.file');
    await this.#execute('block-export-add', {
      type: 'fuse',
      id: 'fuse',
      'node-name': 'source',
      mountpoint,
      writable: true,
    });
    await untilServing(this.#daemon, mountpoint, sizeBytes);
    return attachLoop(bench, mountpoint, true);
  }

  /** Exports the source over NBD. */
  async exportNbd(bench: Bench): Promise<NbdExport> {
    const [exportName, socketPath] = ['source', join(bench.directory, 'qemu.socket')];
    await this.#execute('nbd-server-start', { addr: { type: 'unix', data: { path: socketPath } } });
    await this.#execute('block-export-add', {
      type: 'nbd',
      id: 'nbd',
      'node-name': exportName,
      writable: true,
    });
    return { socketPath, exportName, uri: `nbd+unix:///${exportName}?socket=${socketPath}` };
  }

  /**
   * Mirrors the source to the destination until both are equal; false when they are not after `msMax`. The
   * mirror goes on in both cases.
   */
  async mirror(mode: MirrorMode, msMax: number): Promise<boolean> {
    const job = {
      'job-id': jobName,
      device: 'source',
      target: 'destination',
      sync: 'full',
      'copy-mode': mode,
    };
    await this.#execute('blockdev-mirror', job);
    return this.#wait(msMax, () => this.#events.has('BLOCK_JOB_READY'));
  }

  /** Ends a mirror whose disks are equal: the export serves the destination from then on. */
  async pivot(): Promise<void> {
    await this.#execute('block-job-complete', { device: jobName });
    if (!(await this.#wait(answerMsMax, () => this.#events.has('BLOCK_JOB_COMPLETED'))))
      throw new Error('qemu-storage-daemon does not end its mirror');
  }

  async #execute(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<void> {
    this.#answers.length = 0;
    this.#daemon.stdin.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    await this.#wait(answerMsMax, () => this.#answers.length > 0);
    const answer = present(this.#answers[0], `qemu-storage-daemon's answer to ${command}`);
    if (answer.error !== undefined) throw new Error(`qemu-storage-daemon, ${command}: ${answer.error.desc}`);
  }

  /** Looks every few moments: that is exact enough for what takes a second. */
  async #wait(msMax: number, isDone: () => boolean): Promise<boolean> {
    const endMs = performance.now() + msMax;
    while (!isDone()) {
      if (hasEnded(this.#daemon)) throw new Error('qemu-storage-daemon has ended');
      if (performance.now() > endMs) return false;
      await sleep(pollMs);
    }
    return true;
  }
}
