/**
 * Disks that are larger than what was made on them, as after a move: a table and file systems are made on a smaller loop
 * device, and the image is attached again with its new size. Partitions are shown by partx, because the kernel of the
 * tests need not know partition tables.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import * as z from 'zod';
import { mebibyte, sectorBytes } from '../../../app/base/units.ts';
import { errorCodes } from '../../../app/base/error.ts';
import { growEventSchema } from '../../../app/contract/grow.ts';
import type { GrowEvent } from '../../../app/contract/grow.ts';
import { runCommand } from '../../../app/devices/command.ts';
import type { FileSystemType } from './file-system.ts';
import { makeFileSystem, mount, unmount } from './file-system.ts';
import { makeImage, readPart } from './loop-disk.ts';
import { cliProgram, runCli } from './migration.ts';
import { forgetPartitions } from './partition-table.ts';
import type { Scratch } from './scratch.ts';

export interface Growable {
  readonly path: string;
  readonly file: string;
  readonly blockBytes: number;
}

export interface GrowableOptions {
  /** As sfdisk takes it; none: no table. */
  readonly script: string | null;
  readonly blockBytes?: number;
  readonly smallBytes?: number;
  readonly largeBytes?: number;
  /** Makes what lies on the small disk; partitions are shown. */
  readonly fill?: (path: string) => Promise<void>;
}

export async function attachShown(file: string, blockBytes: number, hasTable: boolean): Promise<string> {
  const parameters = ['--find', '--show', '--partscan', '--sector-size', String(blockBytes), file];
  const path = (await runCommand('losetup', parameters, 'attaching')).trim();
  if (hasTable) await showPartitions(path);
  return path;
}

/** A kernel that knows partition tables has done it by itself. */
export async function showPartitions(path: string): Promise<void> {
  if (!existsSync(`/sys/class/block/${basename(path)}/${basename(path)}p1`))
    await runCommand('partx', ['--add', path], 'showing partitions');
}

export async function detach(path: string): Promise<void> {
  await forgetPartitions(path);
  await runCommand('losetup', ['--detach', path], 'detaching');
}

export async function sfdisk(path: string, parameters: readonly string[], input: string): Promise<void> {
  const script = `/tmp/diskferry-sfdisk-${randomBytes(4).toString('hex')}`;
  writeFileSync(script, input);
  const words = ['--quiet', '--no-reread', '--no-tell-kernel', ...parameters, path];
  try {
    await runCommand('bash', ['-c', 'sfdisk "$@" < "$0"', script, ...words], 'sfdisk');
  } finally {
    await runCommand('rm', [script], 'rm');
  }
}

export async function makeGrowable(scratch: Scratch, name: string, options: GrowableOptions): Promise<Growable> {
  const { script, blockBytes = sectorBytes, smallBytes = 128 * mebibyte, largeBytes = 256 * mebibyte } = options;
  const file = scratch.path(`${name}.img`);
  makeImage(file, smallBytes);
  const small = await attachShown(file, blockBytes, false);
  if (script !== null) {
    await sfdisk(small, [], script);
    await showPartitions(small);
  }
  await options.fill?.(small);
  await detach(small);
  truncateSync(file, largeBytes);
  return { path: await attachShown(file, blockBytes, script !== null), file, blockBytes };
}

/** XFS is not made smaller than 300 MiB. */
export const roomy = { smallBytes: 400 * mebibyte, largeBytes: 800 * mebibyte };

export interface Planted extends GrowableOptions {
  /** In which the file system lies, such as `p1`. */
  readonly part: string;
}

/** With a file system that holds a file; `digest` tells whether that is still the same (`plantedIn`). */
export async function makePlanted(
  scratch: Scratch,
  type: FileSystemType,
  { part, fill, ...options }: Planted,
): Promise<{ disk: Growable; digest: string }> {
  let digest = '';
  const disk = await makeGrowable(scratch, 'disk', {
    ...{ ...roomy, ...options },
    fill: async (path) => {
      await fill?.(path);
      await makeFileSystem(type, `${path}${part}`);
      digest = await plantFile(scratch, `${path}${part}`);
    },
  });
  return { disk, digest };
}

export async function attachAgain({ file, path, blockBytes }: Growable, hasTable = true): Promise<Growable> {
  await detach(path);
  return { file, blockBytes, path: await attachShown(file, blockBytes, hasTable) };
}

// ---- what is in it

const treeBytes = 3 * mebibyte;

/** A file of random bytes; returns what tells whether it still is the same. */
async function plantFile(scratch: Scratch, device: string): Promise<string> {
  const target = await scratch.makeDirectory('planting');
  const bytes = randomBytes(treeBytes);
  await mount(device, target);
  writeFileSync(`${target}/planted`, bytes);
  await unmount(target);
  return createHash('sha256').update(bytes).digest('hex');
}

export async function plantedIn(scratch: Scratch, device: string): Promise<{ digest: string; totalBytes: number }> {
  const target = await scratch.makeDirectory('planting');
  await mount(device, target, 'ro');
  try {
    const digest = createHash('sha256').update(readFileSync(`${target}/planted`)).digest('hex');
    const words = ['--output=size', '--block-size=1', target];
    const totalBytes = Number((await runCommand('df', words, 'df')).trim().split('\n').at(-1));
    return { digest, totalBytes };
  } finally {
    await unmount(target);
  }
}

export function writeAt(path: string, offsetBytes: number, bytes: Uint8Array): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, offsetBytes);
  } finally {
    closeSync(fd);
  }
}

/** The table at the beginning, and what could be a backup at the end. */
export function endsOf({ file }: Growable, sizeBytes: number): Buffer {
  return Buffer.concat([readPart(file, 0, mebibyte), readPart(file, sizeBytes - mebibyte, mebibyte)]);
}

// ---- others who use it

/** Has the path open for reading and writing while `act` runs, as a virtual machine would: without claiming it. */
export async function whileWritten(path: string, act: () => Promise<void>): Promise<void> {
  const child = spawn('bash', ['-c', 'exec 9<>"$0"; echo ready; read', path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    await act();
  } finally {
    child.stdin.end();
    await ended;
  }
}

/** Words for unshare(1): runs a command that finds a script in a program's place, and the program at `STAND.real`. */
export function withStandIn(
  stand: string,
  { program, text }: { readonly program: string; readonly text: string },
  command: readonly string[],
): string[] {
  const place =
    'real="$(readlink -f "$(type -p "$2")")"; cp "$real" "$1.real"; printf %s "$TEXT" > "$1"; chmod +x "$1"; ' +
    'mount --bind "$1" "$real"; exec "${@:3}"';
  const inside = ['--mount', '--propagation', 'private', 'env', `TEXT=${text}`, 'bash', '-c', place];
  return [...inside, 'bash', stand, program, ...command];
}

/** The command that `grow` runs. */
export function growCommand(scratch: Scratch, device: string, ...more: readonly string[]): string[] {
  const parameters = ['grow', device, '--json', '--state-dir', scratch.stateDirectory, ...more];
  return [process.execPath, cliProgram, ...parameters];
}

// ---- the command

const failedSchema = z.object({
  event: z.literal('failed'),
  code: z.enum(errorCodes),
  message: z.string(),
  dataIs: z.string(),
});

export interface GrowRun {
  readonly exitCode: number;
  readonly events: readonly GrowEvent[];
  readonly failure: z.infer<typeof failedSchema> | null;
  readonly stderr: string;
}

export function parseGrow({ exitCode, stdout, stderr }: { exitCode: number; stdout: string; stderr: string }): GrowRun {
  const lines: unknown[] = stdout.trim() === '' ? [] : stdout.trim().split('\n').map((line): unknown => JSON.parse(line));
  const events = lines.flatMap((line) => growEventSchema.safeParse(line).data ?? []);
  const failure = failedSchema.safeParse(lines.at(-1)).data ?? null;
  if (events.length + (failure === null ? 0 : 1) !== lines.length) throw new Error(`an unknown line: ${stdout}${stderr}`);
  return { exitCode, events, failure, stderr };
}

export async function grow(scratch: Scratch, device: string, ...more: readonly string[]): Promise<GrowRun> {
  return parseGrow(await runCli('grow', device, '--json', '--state-dir', scratch.stateDirectory, ...more));
}

/** The kinds of layers that have grown, in their order. */
export function grownIn({ events }: GrowRun): string[] {
  return events.flatMap((event) => (event.event === 'grew' ? event.layer.kind : []));
}
