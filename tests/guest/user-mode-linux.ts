/**
 * The guest that needs no privileges and boots in seconds: the kernel of Debian's package user-mode-linux
 * (6.1) as a process. It reads the host's files by hostfs. It has device-mapper and nbd, no ublk, one CPU,
 * and system calls that are several times slower than the host's.
 */
import { existsSync, readdirSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../../app/base/error.ts';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { runProgram } from '../../app/devices/program.ts';
import type { GuestKind, GuestPlan } from './guest-kind.ts';
import { initParameters } from './guest-kind.ts';
import type { GuestJob, JobDirectory } from './job.ts';

const kernel = '/usr/bin/linux.uml';
const modulesFolder = '/usr/lib/uml/modules';

/** A guest's memory is a file that it maps as executable: tmpfs where it is allowed there and has room. */
async function memoryFolder(memoryMib: number): Promise<string> {
  for (const folder of ['/dev/shm', tmpdir()]) {
    const { bavail, bsize } = statfsSync(folder);
    const { stdout } = await runProgram('findmnt', [
      '--noheadings',
      '--output',
      'OPTIONS',
      '--target',
      folder,
    ]);
    const allowsExecution = !stdout.trim().split(',').includes('noexec');
    if (allowsExecution && bavail * bsize >= memoryMib * mebibyte) return folder;
  }
  throw new Error(`no folder for the guest's memory: ${memoryMib} MiB on a file system without noexec`);
}

/** See wide-registers.c; it changes nothing on processors that do not need it. */
async function buildPreload(directory: JobDirectory): Promise<string> {
  const library = directory.file('wide-registers.so');
  const source = join(import.meta.dirname, 'wide-registers.c');
  await runCommand('gcc', ['-O2', '-shared', '-fPIC', '-o', library, source], 'compiling wide-registers.c');
  return library;
}

async function plan(job: GuestJob, directory: JobDirectory): Promise<GuestPlan> {
  const version = present(readdirSync(modulesFolder)[0], `modules in ${modulesFolder}`);
  return {
    servers: [],
    awaitedPaths: [],
    guest: {
      program: kernel,
      parameters: [
        `mem=${job.memoryMib}M`,
        'rootfstype=hostfs',
        'root=/dev/root',
        'ro',
        'quiet',
        'panic=-1',
        `uml_dir=${directory.path}`,
        'con=null',
        'ssl=null',
        'con0=null,fd:1',
        ...initParameters({
          directory,
          initFile: join(import.meta.dirname, 'init.sh'),
          modulesPath: join(modulesFolder, version),
          load: ['dm-mod', 'loop', 'fuse', 'nbd'],
          jobMount: { type: 'hostfs', source: 'job', options: directory.path },
        }),
      ],
      environment: { TMPDIR: await memoryFolder(job.memoryMib), LD_PRELOAD: await buildPreload(directory) },
    },
  };
}

export const userModeLinux: GuestKind = {
  name: 'user-mode-linux',
  hasUdev: false,
  // All but what its kernel has not.
  tests: ['--exclude=tests/guest/{systemd/**,reset/**,ublk.test.ts,luks.test.ts}'],
  missing: () => (existsSync(kernel) ? undefined : 'the package user-mode-linux'),
  plan,
};
