/**
 * What a guest is to do, and the directory by which it is told and answers: `command` is written before the
 * guest boots (hostfs shows it nothing that comes later); the guest's init.sh writes `stdout` and `stderr`
 * while the command runs, and `exit-code`, `kernel` and `boot-seconds` for good. The command finds it as
 * $GUEST_JOB and may leave a `report.json`. A command that resets the machine says so before, by `reset`, and runs again
 * after the next boot. The directory is the only part of the host that a guest may write to.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface GuestJob {
  /** Program and parameters; it runs as root, its standard input is empty. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** The guest is switched off after this time, wherever it is. */
  readonly secondsMax: number;
  readonly memoryMib: number;
}

export interface GuestResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly kernelRelease: string;
  /** As the kernel listed them after the command: parts that are built in do not appear. */
  readonly modules: readonly string[];
  /** From the kernel's first instruction to the command's start, by the guest's clock. */
  readonly bootSeconds: number;
  /** What the command left, unread. */
  readonly report: string | undefined;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function commandScript({ command, environment, workingDirectory }: GuestJob): string {
  const settings = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [
    ...settings,
    `cd ${quoted(workingDirectory)} || exit 126`,
    `exec ${command.map(quoted).join(' ')}`,
    '',
  ].join('\n');
}

export class JobDirectory {
  readonly path: string;

  constructor(job: GuestJob) {
    this.path = mkdtempSync(join(tmpdir(), 'diskferry-guest-'));
    writeFileSync(this.file('command'), commandScript(job));
    for (const name of ['stdout', 'stderr', 'init', 'console']) writeFileSync(this.file(name), '');
  }

  file(name: string): string {
    return join(this.path, name);
  }

  #read(name: string): string {
    return readFileSync(this.file(name), 'utf8');
  }

  /** The guest has got as far as its command. */
  get hasBegun(): boolean {
    return existsSync(this.file('boot-seconds'));
  }

  /** Whether the guest has ended because its command has reset it; asked once for each time. */
  takeReset(): boolean {
    const isReset = existsSync(this.file('reset'));
    rmSync(this.file('reset'), { force: true });
    return isReset;
  }

  /** Undefined when the guest ended before its command did. */
  result(): GuestResult | undefined {
    if (!existsSync(this.file('exit-code'))) return undefined;
    const [kernelRelease = '', ...modules] = this.#read('kernel').trim().split('\n');
    return {
      exitCode: Number(this.#read('exit-code')),
      stdout: this.#read('stdout'),
      stderr: this.#read('stderr'),
      kernelRelease,
      modules: modules.sort(),
      bootSeconds: Number(this.#read('boot-seconds')),
      report: existsSync(this.file('report.json')) ? this.#read('report.json') : undefined,
    };
  }

  /** What the guest's kernel, its init and the programs around it said last, if it did not get far. */
  lastWords(): string {
    const names = ['console', 'init', 'host', 'stderr'].filter((name) => existsSync(this.file(name)));
    return names
      .map((name) => this.#read(name).split('\n').slice(-40).join('\n'))
      .join('\n')
      .trim();
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
