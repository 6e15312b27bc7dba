/**
 * What makes one kind of guest different from the other: its programs, how it gets at the host's files, and
 * which modules it loads. boot.ts does the rest for all.
 */
import type { GuestJob, JobDirectory } from './job.ts';

export type GuestName = 'user-mode-linux' | 'qemu' | 'systemd' | 'reset';

/** A process of the host that belongs to one guest. */
export interface HostProcess {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface GuestPlan {
  /** Started first, in this order, and ended last. */
  readonly servers: readonly HostProcess[];
  /** Sockets of the servers: the guest starts when all are there. */
  readonly awaitedPaths: readonly string[];
  /** Ends when the guest switches itself off. */
  readonly guest: HostProcess;
}

export interface GuestKind {
  readonly name: GuestName;
  /** A whole system runs in it, with a udev that looks at every device. */
  readonly hasUdev: boolean;
  /** Of the tests in this folder those that it runs unless others are named, as Vitest's filters. */
  readonly tests: readonly string[];
  /** What the host lacks for it, in words; undefined when it can be booted. */
  missing(): string | undefined;
  plan(job: GuestJob, directory: JobDirectory): Promise<GuestPlan>;
}

export interface InitSettings {
  readonly directory: JobDirectory;
  readonly initFile: string;
  readonly modulesPath: string;
  readonly load: readonly string[];
  readonly jobMount: { readonly type: string; readonly source: string; readonly options: string };
}

/** The part of the kernel's command line that is for init.sh. */
export function initParameters({ directory, initFile, modulesPath, load, jobMount }: InitSettings): string[] {
  return [
    `init=${initFile}`,
    `GUEST_INIT=${initFile}`,
    `GUEST_JOB=${directory.path}`,
    `GUEST_JOB_TYPE=${jobMount.type}`,
    `GUEST_JOB_SOURCE=${jobMount.source}`,
    `GUEST_JOB_OPTIONS=${jobMount.options}`,
    `GUEST_MODULES=${modulesPath}`,
    `GUEST_LOAD=${load.join(',')}`,
  ];
}
