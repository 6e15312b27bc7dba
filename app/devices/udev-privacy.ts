/**
 * Virtual devices that lie under another one of ours, which is for everybody: both show the same content, and udev would
 * link either of them by it. So a boot that waits for the volume by its UUID would mount the lower one, before the upper
 * one is there or in its stead. By rules of ours udev neither looks into the lower one, nor links it, nor tells systemd
 * or udisks that it is there.
 *
 * The rules are there from the first such device until the machine is started anew, and match nothing but what is marked
 * in one of three ways, each before the kernel makes the device: a loop device by a file beside the one that it is over,
 * an nbd device by the name that we connect it with, a ublk device by a file with its number.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runProgram } from './program.ts';
import { isUdevRunning } from './udev.ts';

const loopSuffix = '.private';
/** What such a device's `backend` attribute begins with. */
export const privateBackend = 'diskferry-private-';
const markFolder = '/run/diskferry/private';
/** Before those that look into a device (60-persistent-storage.rules). */
const rulesPath = '/run/udev/rules.d/59-diskferry.rules';
const reloadMsMax = 10_000;

const isPrivate = 'ENV{DISKFERRY_PRIVATE}="1"';
const rules = [
  "# Diskferry's virtual devices under a device of its own that is for everybody.",
  'SUBSYSTEM!="block", GOTO="diskferry_end"',
  `KERNEL=="loop*", ATTR{loop/backing_file}=="/*", TEST=="$attr{loop/backing_file}${loopSuffix}", ${isPrivate}`,
  `KERNEL=="nbd*", ATTR{backend}=="${privateBackend}*", ${isPrivate}`,
  `KERNEL=="ublkb*", TEST=="${markFolder}/$kernel", ${isPrivate}`,
  'ENV{DISKFERRY_PRIVATE}=="1", ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}="1", ENV{UDISKS_IGNORE}="1"',
  'ENV{DISKFERRY_PRIVATE}=="1", ENV{SYSTEMD_READY}="0"',
  'LABEL="diskferry_end"',
];

/** The rules hold for every device that is made when this has resolved. */
export async function teachUdev(): Promise<void> {
  if (!isUdevRunning()) return;
  const text = `${rules.join('\n')}\n`;
  const known = await readFile(rulesPath, 'utf8').catch(() => '');
  if (known === text) return;
  await mkdir(dirname(rulesPath), { recursive: true });
  await writeFile(rulesPath, text);
  await runProgram('udevadm', ['control', '--reload'], reloadMsMax);
}

/** Of the loop device that will be over the file; the mark lies beside it. */
export async function makeLoopPrivate(backingPath: string): Promise<void> {
  await teachUdev();
  await writeFile(`${backingPath}${loopSuffix}`, '');
}

/** Before the device is started, whose number may have been another's, and when it has gone. */
export async function markUblk(path: string, isMarked: boolean): Promise<void> {
  const mark = join(markFolder, basename(path));
  if (!isMarked) {
    await rm(mark, { force: true });
    return;
  }
  await teachUdev();
  await mkdir(markFolder, { recursive: true });
  await writeFile(mark, '');
}
