/**
 * What to do about each error, where the data is, and the exit code: one table, exhaustive by type, and the
 * one line that a person reads. An error's message says what happened to which device and why; this adds the
 * rest.
 *
 * `{name}` in an advice is filled in from the error's context. `dataIs` is what holds for the code in
 * general; a running job that knows better says so in its `failed` event.
 */
import type { DiskferryErrorData, ErrorCode, ErrorContext } from '../base/error.ts';
import { exitCodes } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';

/**
 * `in-place`: on the one disk that a command works on. `given-up`: on a disk that is being erased. `unknown`: to a command
 * that could not speak to its job.
 */
export const dataPlaces = ['untouched', 'source', 'both', 'destination', 'in-place', 'given-up', 'unknown'] as const;
export type DataPlace = (typeof dataPlaces)[number];

export const dataPlaceTexts: Readonly<Record<DataPlace, string>> = {
  untouched: 'Nothing has been changed; your data is where it was.',
  source: 'Your data is whole on the source.',
  both: 'Your data is on both disks together: keep both as they are, and use neither alone.',
  destination: 'Your data is whole on the destination.',
  'in-place': 'Your data is whole where it was.',
  'given-up': 'What was on this disk is given up; no other disk has been changed.',
  unknown: 'Where no job has begun, no data has been changed; where the data of a job is, its own last line says.',
};

export interface Advice {
  readonly advice: string;
  readonly dataIs: DataPlace;
  readonly exitCode: ExitCode;
}

/** A refusal comes before anything is written. */
function refused(advice: string): Advice {
  return { advice, dataIs: 'untouched', exitCode: exitCodes.refused };
}

/** A job that died stays as it is. */
function refusedRecovery(advice: string): Advice {
  return { advice, dataIs: 'both', exitCode: exitCodes.refused };
}

function failed(dataIs: DataPlace, advice: string): Advice {
  return { advice, dataIs, exitCode: exitCodes.failed };
}

export const adviceTable: Readonly<Record<ErrorCode, Advice>> = {
  'device-missing': refused(
    'Check the path with "diskferry devices"; to have a destination image made, add --create SIZE.',
  ),
  'device-empty': refused('Insert the medium, or give the image a size, and try again.'),
  'device-not-a-disk': refused('Name a block device or a regular file (a disk image).'),
  'device-permission-denied': refused('Run the command as root, for example with sudo.'),
  'device-open-failed': refused('Look at the kernel log (dmesg) and at the cable, then try again.'),
  'device-read-only': refused(
    'Make it writable (write-protect switch, "blockdev --setrw", a writable mount) or name another disk.',
  ),
  'device-in-use': refused('Stop what uses it, then try again.'),
  'device-has-loop': refused('Detach it with "losetup -d {loop}" first, or name {loop} instead of the file.'),
  'device-is-swap': refused('Turn the swap off with "swapoff {swap}", then try again.'),
  'device-same': refused('Name two different disks.'),
  'device-overlaps': refused('Name a destination that shares no storage with the source.'),
  'device-changed': refused('Check both disks with "diskferry devices", then plan again.'),
  'device-holds-system': refused(
    'Name another disk, or start the machine from another system and do it from there.',
  ),
  'source-has-holders': refused(
    'Deactivate them and try again; moving such a disk while it is in use is not supported by this version.',
  ),
  'source-is-mapped': refused('Name what it lies on instead: {below}.'),
  'stack-not-supported': refused(
    'Deactivate what lies on it ("vgchange -an", "cryptsetup close") and move it while nothing uses it, ' +
      'or use the tools of what manages it (pvmove).',
  ),
  'passphrase-needed': refused(
    'Run the command at a terminal, or name a file that holds it with --key-file.',
  ),
  'wrong-passphrase': refused('Try again with a passphrase or key file of this container.'),
  'volume-key-unusable': refused(
    'Close the container with "cryptsetup close" and move it while it is not in use.',
  ),
  'content-not-supported': refused('Move this disk with the tools of what manages it.'),
  'destination-mounted': refused(
    'Unmount it with "umount {mount}" if its content may be erased, or name another disk.',
  ),
  'destination-is-member': refused(
    'Name another disk; if the set is given up, clear its mark with "wipefs --all {member}" first.',
  ),
  'destination-exists': refused('Leave --create away to overwrite it, or name a new file.'),
  'destination-too-small': refused('Choose a destination that is at least as large as the source.'),
  'logical-block-size-differs': refused(
    'Choose a destination with the same logical block size as the source.',
  ),
  'size-not-in-blocks': refused(
    'Extend the image to a whole number of blocks, for example with "truncate --size=%{multiple} FILE".',
  ),
  'memory-too-small': refused('Free memory, or move the disk on a machine with more.'),
  'no-frontend': refused(
    'Leave --frontend away, use --frontend nbd-socket with image files, or a kernel with ublk, nbd, or FUSE and loop.',
  ),
  'no-io-uring': refused('Allow it with "sysctl kernel.io_uring_disabled=0".'),
  'mode-not-supported': refused('Use --mode redirect, or leave --mode away.'),
  'no-journal-yet': refused(
    'Use image files or loop devices, or add --experimental-no-journal if you accept that.',
  ),
  'state-directory-unusable': refused('Name a directory on another local disk with --state-dir.'),
  'state-directory-full': refused('Free space there, or name a directory with more with --state-dir.'),
  'journal-failed': failed(
    'both',
    'Disconnect neither disk. The volume can still be used, but the move can go neither forward nor back any more: copy ' +
      'to a third disk what you need.',
  ),
  'socket-unusable': refused(
    'Name with --socket a path of at most 107 bytes where nothing exists yet, in a directory that you may write to.',
  ),
  'already-serving': refused('Use the service that runs, or stop it first; jobs that run go on meanwhile.'),
  'no-room': refused('Free some space, or name a directory with room in TMPDIR.'),
  'demo-failed': failed(
    'untouched',
    'Do not move your own data until the cause is found; please report it with the lines above.',
  ),
  'not-root': {
    advice: 'Run the command again with sudo.',
    dataIs: 'untouched',
    exitCode: exitCodes.notAuthorised,
  },
  'not-authorised': {
    advice: 'Do it as root, or as a user whom polkit allows it; see "pkaction --verbose --action-id {action}".',
    dataIs: 'unknown',
    exitCode: exitCodes.notAuthorised,
  },
  'no-service': {
    advice: 'Have root start diskferryd, or do without it as root; jobs that run go on.',
    dataIs: 'unknown',
    exitCode: exitCodes.noService,
  },
  'service-version': {
    advice: 'Restart the service; running jobs go on meanwhile.',
    dataIs: 'unknown',
    exitCode: exitCodes.noService,
  },
  'service-silent': failed(
    'unknown',
    'It may do later what it was told: see "diskferry status". Have root restart diskferryd; running jobs go on meanwhile.',
  ),
  'stream-ended': {
    advice: 'Watch it again with "diskferry watch"; the job goes on meanwhile.',
    dataIs: 'unknown',
    exitCode: exitCodes.noService,
  },
  'too-many-requests': {
    advice: 'Wait for the answers, then try again.',
    dataIs: 'unknown',
    exitCode: exitCodes.usage,
  },
  'look-too-long': refused(
    'Look at the kernel log (dmesg) for errors of the disks. "diskferry plan" and "migrate" as root wait for as long as it takes.',
  ),
  'plan-expired': refused('Plan again, and confirm what it shows then.'),
  'path-not-yours': refused(
    'Name a block device by a path that you may follow; to move an image file, run the command as root.',
  ),
  'not-confirmed': refused('Read the plan ("diskferry plan", or --dry-run of "grow" and "retire"), then add --yes.'),
  usage: { advice: 'See "diskferry --help".', dataIs: 'untouched', exitCode: exitCodes.usage },
  'volume-busy': failed(
    'untouched',
    'Stop what is named, or have it stopped by --stop-unit or --stop-command, then try again.',
  ),
  'mount-not-supported': refused('Unmount what is named, then try again.'),
  'command-failed': failed('both', 'Run the command by hand to see why it fails, then try again.'),
  'program-missing': refused('Install the program named, then try again.'),
  'source-unreadable': failed(
    'both',
    'Copying has left nothing else out. Try these places again, do without them (they become zeroes), or undo.',
  ),
  'source-gone': failed(
    'both',
    "Check the source's cable and power, then try again. A disk that was unplugged comes back as another one: a job " +
      'that runs cannot go on with it.',
  ),
  'source-write-failed': failed(
    'both',
    "The volume goes on meanwhile. Disconnect neither disk; check the source's cable, health and free space, then try again.",
  ),
  'destination-unreadable': failed(
    'both',
    'Everything else is back on the source. Try these places again, or do without them: the source keeps what it had there.',
  ),
  'destination-gone': failed(
    'both',
    "What was written since the start and is not back yet is on the destination only. Check its cable and power, then try again.",
  ),
  'destination-write-failed': failed(
    'both',
    "Disconnect neither disk; check the destination's cable, health and free space, then try again.",
  ),
  'destination-flush-failed': failed(
    'both',
    'Disconnect neither disk and undo the job; what was written last may be lost. Check the destination.',
  ),
  'frontend-failed': failed(
    'both',
    "Look at the kernel log (dmesg) for the virtual device's errors, then try again.",
  ),
  'copy-broken': failed('both', 'Undo the job, and report this as a bug in Diskferry.'),
  'no-device-mapper': refused('Load it with "modprobe dm-mod", or use a kernel that has device-mapper.'),
  'no-device-left': failed(
    'source',
    'Remove devices of that kind which nobody needs, or do without it: choose another --frontend, or add ' +
      '--unmount-at-cutover to do without device-mapper.',
  ),
  'mapping-failed': failed(
    'both',
    'The device goes on with its old table; look at the kernel log (dmesg) for the reason.',
  ),
  'device-suspended': failed(
    'both',
    'Resume it with "dmsetup resume {name}"; until then whatever uses it waits.',
  ),
  'table-changed': failed(
    'both',
    'Find out which program did it (a command of LVM?); what it wrote past the virtual device may be lost.',
  ),
  'build-differs': refused(
    'Restart the service ("systemctl restart diskferryd"), or start the command anew. Moves that run go on meanwhile; one ' +
      'that has died needs "diskferry recover" then.',
  ),
  'engine-died': failed(
    'both',
    'If "diskferry status" shows the job, run "diskferry recover"; until then what was written may be on the destination ' +
      'only. Please report this.',
  ),
  'takeover-refused': failed(
    'both',
    'Run "diskferry recover" to go on: what was written since the start may be on the destination only.',
  ),
  'takeover-impossible': failed(
    'both',
    'The job goes on; if its process is killed, its users get errors, or over ublk wait until "diskferry recover" is run.',
  ),
  'earlier-job-died': {
    advice:
      'Run "diskferry recover {job}" to go on with it, or "diskferry recover --undo {job}" to go back to its source.',
    dataIs: 'both',
    exitCode: exitCodes.refused,
  },
  'disk-not-found': refusedRecovery(
    'Connect the disk (a loop device: attach its file again with "losetup --find"), or disconnect its copy; then recover again.',
  ),
  'source-changed': refusedRecovery(
    'Go on from a backup, or use the source alone as it is now ("diskferry unmask {device} --i-know-it-is-stale" shows it), ' +
      "then remove the job's directory.",
  ),
  'virtual-device-held': refusedRecovery(
    'Unmount or deactivate what uses it, or restart the machine; then recover again.',
  ),
  'record-unreadable': refusedRecovery(
    'If another version wrote it, end the job with that one; else put it back from a copy: without it nobody knows which ' +
      'disks the job moved.',
  ),
  'journal-missing': refusedRecovery(
    'Put the journal back if it was moved; otherwise a backup is the way out ("diskferry unmask DISK --i-know-it-is-stale" ' +
      'shows a hidden disk).',
  ),
  'journal-damaged': refusedRecovery(
    'Check the disk that it lies on and read it again; otherwise a backup is the way out ("diskferry unmask DISK ' +
      '--i-know-it-is-stale" shows a hidden disk).',
  ),
  'journal-from-the-future': refusedRecovery('Recover the job with that version of Diskferry.'),
  'journal-mismatch': refusedRecovery("Put the record and the journal of one job into the job's directory."),
  'disk-masked': refused(
    'If it is an old copy that may be erased, use it as a destination; "diskferry unmask {device}" makes it recognisable.',
  ),
  'disk-unmasked': refusedRecovery(
    'Go on from a backup, or give up what the job wrote: use the source (if hidden, "diskferry unmask {source} ' +
      '--i-know-it-is-stale"), then remove the job\'s directory.',
  ),
  'not-masked': refused('Look with "diskferry devices" which disk it is.'),
  'disk-stale': refused(
    'Run "diskferry recover" if its job died, else use the other disk of it. To use this one all the same, add --i-know-it-is-stale.',
  ),
  'mask-failed': failed(
    'unknown',
    'Look at the kernel log (dmesg) and at the cable, and try again; keep both disks as they are until then.',
  ),
  'source-stays-hidden': failed(
    'source',
    'Check its cable and the kernel log (dmesg), then run "diskferry recover --undo {job}", which makes it recognisable again.',
  ),
  'identity-unreadable': refused('Look at the kernel log (dmesg) and at the cable, then try again.'),
  'identity-not-hidden': refused(
    'Move this disk with the tools of what manages it; its copy could not be told from it.',
  ),
  'job-missing': {
    advice: 'List the jobs with "diskferry status".',
    dataIs: 'unknown',
    exitCode: exitCodes.usage,
  },
  'job-state': {
    advice: 'See "diskferry status" for what the job is doing.',
    dataIs: 'unknown',
    exitCode: exitCodes.usage,
  },
  'job-held': refusedRecovery(
    'Wait until that has ended, then try again; "diskferry status" shows whether the job runs by then.',
  ),
  'disk-silent': refusedRecovery(
    "Wait until the disk answers, then try again; if it never does, check the disks' power and cables, or restart the machine.",
  ),
  'job-silent': failed(
    'both',
    'End nothing by force: the job may serve its volume all the same, and do later what it was told. See "diskferry status".',
  ),
  'end-not-understood': failed('unknown', 'See "diskferry report {job}" of the version that moved it.'),
  'decision-needed': {
    advice: 'See "diskferry status" for what there is to decide.',
    dataIs: 'unknown',
    exitCode: exitCodes.needsDecision,
  },
  'verification-failed': failed(
    'both',
    "Do not use the destination: undo the job, then check the destination's cable and health.",
  ),
  interrupted: {
    advice: 'Run the command again when you like.',
    dataIs: 'untouched',
    exitCode: exitCodes.interrupted,
  },
  'nothing-to-grow': refused(
    'Name a partition that has free room behind it with --partition; "sfdisk --list-free {device}" shows where there is some.',
  ),
  'cannot-be-grown': refused('Grow it with the tools of what manages it, or name another partition with --partition.'),
  'not-attached': refused('Attach it with "losetup --find --show --partscan {file}", then grow the loop device that this names.'),
  'needs-check': refused('Check and repair it with "{checker}", then grow again.'),
  'table-damaged': refused(
    'If it is the backup alone that is damaged, add --repair-backup-table; otherwise mend the table with gdisk or sfdisk first.',
  ),
  'disk-cut-off': refused(
    'Do not write to it: what lies last may be missing. Copy its source again to a disk that is large enough.',
  ),
  'partitions-not-shown': refused('Run "partprobe {device}" (or "partx --add {device}"), then grow again.'),
  'container-closed': refused('Open it with "cryptsetup open {device} NAME", then grow again.'),
  'grow-failed': failed(
    'in-place',
    'The disk can be used as it is. When the cause is mended, run the same command again: it goes on from what it finds.',
  ),
  'grow-interrupted': {
    advice: 'The disk can be used as it is; run the same command again to go on.',
    dataIs: 'in-place',
    exitCode: exitCodes.interrupted,
  },
  'not-retired': refused('Look with "diskferry devices" which disk it is; Diskferry erases no other than such an original.'),
  'retired-changed': refused(
    'Look at what is on it. If nothing of it is needed, it is an ordinary disk, to be erased with blkdiscard or dd.',
  ),
  'retired-record-unreadable': refused('Put it back from a copy, or remove it: then nothing is known of its disks.'),
  'may-be-only-copy': refused(
    'Connect the destination and look again. If you are sure that what was moved is safe, add --i-know-it-may-be-the-only-copy.',
  ),
  'cannot-be-erased': refused('Remove an image file with "rm"; of a disk without discard, overwrite it (--method overwrite).'),
  'erase-failed': failed(
    'given-up',
    'Look at the kernel log (dmesg) and at the cable; then run the same command again, and it goes on from there.',
  ),
  'erase-incomplete': failed(
    'given-up',
    'Erase it with --method overwrite. If that has been done, the disk does not keep what is written: destroy it.',
  ),
  'erase-interrupted': {
    advice: 'Run the same command again to go on with it.',
    dataIs: 'given-up',
    exitCode: exitCodes.interrupted,
  },
  'disk-erased': refused(
    'Look with "diskferry retire {device}" what has become of it; what is left of one erased in part: add --i-know-it-is-stale.',
  ),
  'undo-failed': failed('both', 'Mend what the message names, then undo again.'),
};

interface Failure {
  readonly code: ErrorCode | 'bug';
  readonly message: string;
  readonly advice: string;
  readonly dataIs: DataPlace;
}

function fill(template: string, context: ErrorContext): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(context[name] ?? name));
}

/** The advice for one error, with the names of its devices filled in. */
export function adviceFor(error: Pick<DiskferryErrorData, 'code' | 'context'>): Advice {
  const entry = adviceTable[error.code];
  return { ...entry, advice: fill(entry.advice, error.context) };
}

/** The one line that a person reads: what, which device and why; what to do next; where the data is. */
export function explain(error: DiskferryErrorData, dataIs: DataPlace = adviceFor(error).dataIs): string {
  const { code, message } = error;
  return explainFailure({ code, message, advice: adviceFor(error).advice, dataIs });
}

/** The same of a `failed` event. */
export function explainFailure({ code, message, advice, dataIs }: Failure): string {
  const what = code === 'bug' ? `this is a bug in Diskferry: ${message}` : message;
  // Some messages end with words of the system's.
  return `${what.replace(/\.$/, '')}. ${advice} ${dataPlaceTexts[dataIs]}`;
}
