/**
 * `diskferry retire`: what the original disk of a finished move is, and, with `--erase`, erases all of it after asking.
 * Run again after a crash or Ctrl-C, it goes on with what is left.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { createLogUpdate } from 'log-update';
import { DiskferryError } from '../../base/error.ts';
import type { ExitCode } from '../../contract/exit-codes.ts';
import { exitCodes } from '../../contract/exit-codes.ts';
import type { EraseMethod, RetiredDisk, RetireEvent } from '../../contract/retire.ts';
import { eraseMethodSchema } from '../../contract/retire.ts';
import type { AskedRetire, ErasedDisk } from '../../migration/retire.ts';
import { eraseAsConfirmed, lookAtRetired } from '../../migration/retire.ts';
import { confirmErase } from '../confirm.ts';
import { formatBytes } from '../format.ts';
import { retireText } from '../retire-text.ts';
import { stateDirectoryOf, systemStateDirectory } from '../state-directory.ts';
import { stopOnSignals } from '../stop-signals.ts';
import { cutTo } from '../wrap.ts';

interface RetireOptions {
  readonly erase?: boolean;
  readonly method?: EraseMethod;
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly iKnowItMayBeTheOnlyCopy?: boolean;
  readonly stateDir?: string;
  readonly json?: boolean;
}

const tellEveryMs = 1000;

export function addRetireCommand(program: Command): void {
  program
    .command('retire')
    .description('show what the original disk of a finished move is, or erase all of it')
    .argument('<disk>', 'the disk that was moved away')
    .option('--erase', 'erase all of it, after asking')
    .addOption(
      new Option(
        '--method <method>',
        'discard is fast (SSDs), overwrite writes zeroes; left away: discard where the disk can',
      ).choices(eraseMethodSchema.options),
    )
    .option('--verify', 'read all of it back afterwards, not samples')
    .option('--dry-run', 'show what would be erased; nothing is written')
    .option('--yes', 'erase without asking')
    .option('--i-know-it-may-be-the-only-copy', 'also when the destination is not seen to hold what was moved')
    .option(
      '--state-dir <path>',
      'where jobs keep their state (default: DISKFERRY_STATE_DIR or /var/lib/diskferry)',
    )
    .option('--json', 'one JSON object per line on stdout')
    .action(async (disk: string, options: RetireOptions) => {
      process.exitCode = await retire(disk, options);
    });
}

async function retire(path: string, options: RetireOptions): Promise<ExitCode> {
  requireErase(options);
  const asked: AskedRetire = {
    path: resolve(path),
    stateDirectories: [
      ...new Set([stateDirectoryOf(options.stateDir), stateDirectoryOf(undefined), systemStateDirectory]),
    ],
    method: options.method,
    acceptsOnlyCopy: options.iKnowItMayBeTheOnlyCopy === true,
  };
  const retired = await lookAtRetired(asked);
  tell(options, { event: 'retired', ...lineOf(retired), retired });
  const erases = options.erase === true && retired.state !== 'erased';
  process.stderr.write(`${retireText(retired, { erases, stream: process.stderr })}\n`);
  if (!erases) return exitCodes.done;
  if (retired.refusal !== null) throw DiskferryError.fromData(retired.refusal);
  if (options.dryRun === true) return exitCodes.done;
  if (options.yes !== true) await confirmErase(retired);
  const done = await erase(asked, retired, options);
  tell(options, { event: 'erased', ...lineOf(retired), ...done, warnings: [...done.warnings] });
  for (const line of erasedLines(retired, done)) process.stderr.write(`${line}\n`);
  return exitCodes.done;
}

/** What only an erasing has a meaning for must not look as if it had been done. */
function requireErase({ erase, method, verify, yes }: RetireOptions): void {
  if (erase === true || (method === undefined && verify !== true && yes !== true)) return;
  throw new DiskferryError('usage', '--method, --verify and --yes need --erase');
}

function lineOf({ job }: RetiredDisk): { job: string; timeMs: number } {
  return { job, timeMs: Date.now() };
}

function tell({ json }: RetireOptions, event: RetireEvent): void {
  if (json === true) process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function erase(asked: AskedRetire, confirmed: RetiredDisk, options: RetireOptions): Promise<ErasedDisk> {
  const stop = stopOnSignals(`${confirmed.disk.path}: stops; how far it is erased is kept.`);
  const progress = new Progress(confirmed, options);
  try {
    return await eraseAsConfirmed({
      ...{ ...asked, confirmed, verifies: options.verify === true, signal: stop.signal },
      tell: (phase, doneBytes, totalBytes) => progress.tell(phase, doneBytes, totalBytes),
    });
  } finally {
    progress.end();
    stop.end();
  }
}

/** At a terminal one line that stays in place; without one, a line now and then. */
class Progress {
  readonly #retired: RetiredDisk;
  readonly #options: RetireOptions;
  readonly #logUpdate = process.stderr.isTTY ? createLogUpdate(process.stderr, { showCursor: true }) : undefined;
  #toldMs = -Infinity;
  #toldTenth = -1;

  constructor(retired: RetiredDisk, options: RetireOptions) {
    this.#retired = retired;
    this.#options = options;
  }

  tell(phase: 'erasing' | 'reading-back', doneBytes: number, totalBytes: number): void {
    if (performance.now() - this.#toldMs < tellEveryMs && doneBytes < totalBytes) return;
    this.#toldMs = performance.now();
    tell(this.#options, { event: 'erasing', ...lineOf(this.#retired), phase, doneBytes, totalBytes });
    const what = phase === 'erasing' ? 'erased' : 'read back';
    const text = `${this.#retired.disk.path}: ${what} ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
    if (this.#logUpdate !== undefined) this.#logUpdate(cutTo(text, process.stderr.columns));
    else if (this.#isNewTenth(doneBytes / totalBytes)) process.stderr.write(`${text}\n`);
  }

  end(): void {
    this.#logUpdate?.done();
  }

  #isNewTenth(share: number): boolean {
    const tenth = Math.floor(share * 10);
    if (tenth === this.#toldTenth) return false;
    this.#toldTenth = tenth;
    return true;
  }
}

function erasedLines({ disk }: RetiredDisk, { method, readBackBytes, warnings }: ErasedDisk): string[] {
  const how = method === 'discard' ? 'discarded' : 'overwritten with zeroes';
  const isAll = readBackBytes === disk.sizeBytes;
  const seen = isAll ? 'all of it was read back' : `${formatBytes(readBackBytes)} of it were read back as samples`;
  return [
    `${disk.path}: is erased (${how}); ${seen}, and reads as zeroes.`,
    ...warnings.map((warning) => `${disk.path}: ${warning}.`),
  ];
}
