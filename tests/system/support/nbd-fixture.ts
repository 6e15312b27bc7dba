/**
 * What the NBD tests share: a server process (nbd-server.ts) on two image files in a directory of its own,
 * and the programs that are its clients. Everything is gone after `stop`.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';
import { bundledProgram } from '../../bundled-program.ts';
import type { ServerSetting } from './nbd-server.ts';

export type NbdServerOptions = Pick<ServerSetting, 'sizeBytes' | 'logicalBlockBytes' | 'unreadable'>;

export class NbdServer {
  readonly directory: string;
  readonly socketPath: string;
  readonly uri: string;
  readonly sourcePath: string;
  readonly destinationPath: string;
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  /** A source full of random bytes and an empty destination. */
  static async start(options: NbdServerOptions): Promise<NbdServer> {
    const directory = await mkdtemp(join(tmpdir(), 'diskferry-nbd-'));
    const setting = {
      ...options,
      socketPath: join(directory, 'socket'),
      sourcePath: join(directory, 'source.img'),
      destinationPath: join(directory, 'destination.img'),
    };
    await writeFile(setting.sourcePath, randomFillSync(Buffer.alloc(options.sizeBytes)));
    await writeFile(setting.destinationPath, '');
    await truncate(setting.destinationPath, options.sizeBytes);
    const server = new NbdServer(directory, setting);
    await once(server.#process, 'message');
    return server;
  }

  private constructor(directory: string, setting: ServerSetting) {
    this.directory = directory;
    this.socketPath = setting.socketPath;
    this.uri = `nbd+unix:///?socket=${setting.socketPath}`;
    this.sourcePath = setting.sourcePath;
    this.destinationPath = setting.destinationPath;
    this.#process = fork(bundledProgram('tests/system/support/nbd-server'), [JSON.stringify(setting)]);
    this.#exit = once(this.#process, 'exit');
  }

  /** A path for one of the test's own files. */
  file(name: string): string {
    return join(this.directory, name);
  }

  /** Tells the server to let its clients go; it ends when they are gone. */
  close(): void {
    if (this.#process.connected) this.#process.send('close');
  }

  /** The exit code of the server, after `close`. */
  async ended(): Promise<unknown> {
    const [code] = await this.#exit;
    return code;
  }

  async stop(): Promise<void> {
    this.close();
    const code = await this.ended();
    await rm(this.directory, { recursive: true });
    if (code !== 0) throw new Error(`the NBD server ended with ${String(code)}`);
  }
}

/** Runs a client; rejects with what it said when it fails. */
export function run(program: string, ...parameters: string[]): Promise<string> {
  return runCommand(program, parameters, program);
}
