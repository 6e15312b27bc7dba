/**
 * The guest with a recent kernel (Debian's 6.12) on an emulated machine with two CPUs, without hardware
 * virtualisation. It reads the host's files by virtiofs, whose server needs root. It has device-mapper, nbd
 * and ublk.
 */
import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianKernel } from './debian-kernel.ts';
import type { GuestKind, GuestPlan, HostProcess } from './guest-kind.ts';
import { initParameters } from './guest-kind.ts';
import type { GuestJob, JobDirectory } from './job.ts';

const machine = '/usr/bin/qemu-system-x86_64';
/** Debian 12 has it with qemu; later releases as a package of its own. */
const virtiofsdPlaces = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'];
const cpuCount = 2;
/** Of translated code: the default, a part of the guest's memory, is more than it ever uses. */
const translationCacheMib = 512;

function virtiofsd(): string | undefined {
  return virtiofsdPlaces.find((path) => existsSync(path));
}

/** Serves `source` under a socket. Without announce_submounts the guest sees one file system. */
function server(program: string, options: { socket: string; source: string; cache: string }): HostProcess {
  const { socket, source, cache } = options;
  const settings = [`source=${source}`, `cache=${cache}`, 'sandbox=chroot', 'log_level=err'];
  return { program, parameters: [`--socket-path=${socket}`, '-o', settings.join(',')] };
}

function share(tag: string, socket: string): string[] {
  return [
    '-chardev',
    `socket,id=${tag},path=${socket}`,
    '-device',
    `vhost-user-fs-pci,chardev=${tag},tag=${tag}`,
  ];
}

export interface EmulatedInit {
  /** The guest's first process, a script of this folder. */
  readonly script: string;
  /** More of its `GUEST_*` words for the kernel's command line. */
  readonly parameters: readonly string[];
  /** Made empty; what is on them stays when the machine is reset. */
  readonly disks?: readonly EmulatedDisk[];
}

export interface EmulatedDisk {
  readonly serial: string;
  readonly sizeBytes: number;
}

function diskOf({ serial, sizeBytes }: EmulatedDisk, directory: JobDirectory): string[] {
  const file = directory.file(`${serial}.disk`);
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  const drive = `file=${file},format=raw,if=none,id=${serial}`;
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${serial},serial=${serial}`];
}

/** A guest on the emulated machine, whose root the kernel mounts from the host before `init` runs. */
export async function emulate(
  job: GuestJob,
  directory: JobDirectory,
  emulated: EmulatedInit,
): Promise<GuestPlan> {
  const { imagePath, modulesPath } = await debianKernel();
  const program = virtiofsd() ?? '';
  const rootSocket = directory.file('root.socket');
  const jobSocket = directory.file('job.socket');
  const memory = `${job.memoryMib}M`;
  const init = initParameters({
    directory,
    initFile: join(import.meta.dirname, emulated.script),
    modulesPath,
    load: ['dm-mod', 'fuse', 'loop', 'nbd', 'ublk_drv'],
    jobMount: { type: 'virtiofs', source: 'job', options: 'rw' },
  });
  const kernelLine = ['console=ttyS0', 'quiet', 'panic=-1', 'mitigations=off', 'tsc=reliable'];
  kernelLine.push('rootfstype=virtiofs', 'root=hostroot', 'ro', ...init, ...emulated.parameters);
  return {
    servers: [
      server(program, { socket: rootSocket, source: '/', cache: 'always' }),
      // The host reads what the guest writes there while it runs.
      server(program, { socket: jobSocket, source: directory.path, cache: 'none' }),
    ],
    awaitedPaths: [rootSocket, jobSocket],
    guest: {
      program: machine,
      parameters: [
        ...['-M', 'q35', '-cpu', 'max', '-smp', String(cpuCount), '-m', memory],
        ...['-accel', `tcg,thread=multi,tb-size=${translationCacheMib}`],
        // virtiofs needs memory that its server can map.
        ...[
          '-object',
          `memory-backend-memfd,id=memory,size=${memory},share=on`,
          '-numa',
          'node,memdev=memory',
        ],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
        ...['-device', 'virtio-rng-pci', ...share('hostroot', rootSocket), ...share('job', jobSocket)],
        ...(emulated.disks ?? []).flatMap((disk) => diskOf(disk, directory)),
        ...['-kernel', imagePath, '-append', kernelLine.join(' ')],
      ],
    },
  };
}

export function missingForQemu(): string | undefined {
  if (!existsSync(machine)) return 'the package qemu-system-x86';
  if (virtiofsd() === undefined) return 'virtiofsd (in the package qemu-system-common or virtiofsd)';
  if (process.getuid?.() !== 0) return 'root, for virtiofsd';
  return undefined;
}

export const qemu: GuestKind = {
  name: 'qemu',
  hasUdev: false,
  // Every instruction is translated: what user-mode Linux can run takes several times as long here.
  tests: ['guest', 'ublk', 'luks', 'luks-job', 'frontends'].map((name) => `tests/guest/${name}.test.ts`),
  missing: missingForQemu,
  plan: (job, directory) => emulate(job, directory, { script: 'init.sh', parameters: [] }),
};
