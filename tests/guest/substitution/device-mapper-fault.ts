/**
 * Lets one device-mapper ioctl of another process fail, whichever it is: see device-mapper-fault.c. Armed and
 * looked at through a file, so that one process can be made to fail again and again.
 */
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';
import type { Scratch } from '../../system/support/scratch.ts';

export class DeviceMapperFault {
  /** Of Node's process that is to fail, and of those of Node that it starts. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #file: string;

  static async make(scratch: Scratch): Promise<DeviceMapperFault> {
    const library = scratch.path('device-mapper-fault.so');
    const program = join(import.meta.dirname, 'device-mapper-fault.c');
    await runCommand(
      'gcc',
      ['-O2', '-shared', '-fPIC', '-o', library, program],
      'compiling device-mapper-fault.c',
    );
    return new DeviceMapperFault(library, scratch.path('device-mapper-fault'));
  }

  private constructor(library: string, file: string) {
    this.#file = file;
    this.environment = {
      LD_PRELOAD: library,
      DEVICE_MAPPER_FAULT: file,
      DEVICE_MAPPER_FAULT_PROGRAM: realpathSync(process.execPath),
    };
  }

  /** The ioctl of this number from now on, counted from 1, fails; those after it do not. */
  arm(number: number, error: 'EIO' | 'ENXIO' | 'ENOMEM' = 'EIO'): void {
    writeFileSync(this.#file, `${number} ${constants.errno[error]}`);
  }

  disarm(): void {
    rmSync(this.#file, { force: true });
  }

  /** What has failed since it was armed. */
  get hit(): string | undefined {
    const text = existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : '';
    return /^[a-z]+$/.exec(text)?.[0];
  }
}
