/**
 * A Debian without Node in which packages are installed and removed for real: the files of the guests' tree under an
 * overlay, with mounts and processes of its own, on this machine's kernel. Nothing of it is left when it is switched off,
 * and nothing of the tree is changed.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { ProgramResult } from '../../../app/devices/program.ts';
import { runProgram } from '../../../app/devices/program.ts';
import { debianTree } from '../../guest/debian-tree.ts';
import { inTime } from './wait.ts';

/** Its first process: says its number, as the host knows it, and then only buries the dead until whoever has started it ends. */
const script = `
  set -e
  read -r pid rest </proc/self/stat
  mount -t overlay -o "lowerdir=$1,upperdir=$2/changed,workdir=$2/work" overlay "$2/system"
  mount -t proc proc "$2/system/proc"
  mount --rbind /dev "$2/system/dev"
  mount -t tmpfs tmpfs "$2/system/dev/shm"
  mount --rbind /sys "$2/system/sys"
  mount -t tmpfs tmpfs "$2/system/run"
  echo "$pid"
  exec chroot "$2/system" /bin/sh -c 'trap : HUP INT TERM; cat; exit 0'
`;

const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LC_ALL=C', 'DEBIAN_FRONTEND=noninteractive'];

export class DebianMachine {
  readonly #init: ChildProcess;
  readonly #processId: number;

  /** `directory`: empty, and not on an overlay. */
  static async start(directory: string): Promise<DebianMachine> {
    const tree = await debianTree();
    for (const name of ['changed', 'work', 'system']) mkdirSync(`${directory}/${name}`);
    const own = ['--mount', '--pid', '--fork', '--kill-child'];
    const init = spawn('unshare', [...own, 'sh', '-c', script, 'sh', tree, directory], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    init.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const begun = new Promise<number>((resolve, reject) => {
      init.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
      init.once('exit', () => reject(new Error(`the machine has not started: ${said}`)));
    });
    try {
      return new DebianMachine(init, await inTime('the machine has started', begun));
    } catch (error) {
      init.kill('SIGKILL');
      throw error;
    }
  }

  private constructor(init: ChildProcess, processId: number) {
    this.#init = init;
    this.#processId = processId;
  }

  /** One of its files, for the host. */
  path(inside: string): string {
    return `/proc/${this.#processId}/root${inside}`;
  }

  /** To its end. */
  run(...command: string[]): Promise<ProgramResult> {
    const [program = '', ...parameters] = this.#inside(command);
    return runProgram(program, parameters);
  }

  /** What it printed; throws when it does not succeed. */
  async must(...command: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(...command);
    if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Goes on by itself; ends with the machine at the latest. */
  begin(...command: string[]): ChildProcess {
    const [program = '', ...parameters] = this.#inside(command);
    return spawn(program, parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** With all its processes; its mounts go with them. */
  async switchOff(): Promise<void> {
    const ended = new Promise((resolve) => this.#init.once('exit', resolve));
    this.#init.kill('SIGKILL');
    await inTime('the machine is off', ended);
  }

  #inside(command: readonly string[]): string[] {
    const place = ['--target', String(this.#processId), '--mount', '--pid', '--root', '--wd'];
    return ['nsenter', ...place, 'env', '-i', ...environment, ...command];
  }
}
