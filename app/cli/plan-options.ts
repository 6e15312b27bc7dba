/**
 * The options that say what to move where, shared by `plan`, `migrate` and `start`, and the plan made from
 * them.
 */
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { parseSize } from '../base/parse-size.ts';
import type { Plan } from '../contract/plan.ts';
import type { PlanRequest } from '../migration/plan-request.ts';
import { makePlan as planRequested } from '../migration/plan-request.ts';
import { stateDirectoryOf } from './state-directory.ts';
import { named, stateDirectoryOption } from './state-option.ts';

export interface PlanOptions {
  readonly source: string;
  readonly destination: string;
  readonly create?: string;
  /**
   * As the user wrote them: preflight knows best what to say about a mode or frontend that is not there yet.
   */
  readonly mode: string;
  readonly frontend: string;
  readonly stateDir?: string;
  readonly verify?: boolean;
  readonly unmountAtCutover?: boolean;
  readonly experimentalNoJournal?: boolean;
  readonly json?: boolean;
}

/** `hasStateDirectory`: false where the service knows it. */
export function addPlanOptions(command: Command, { hasStateDirectory = true } = {}): Command {
  command
    .requiredOption('--source <path>', 'the disk or volume to move: a block device or an image file', once)
    .requiredOption(
      '--destination <path>',
      'where to move it: a block device or an image file; it will be erased',
      once,
    )
    .option('--create <size>', 'make the destination image with this size, such as 20G')
    .option('--mode <mode>', 'where writes go: redirect, to the destination alone, is the only mode yet', 'redirect')
    .option(
      '--frontend <name>',
      'what serves the virtual device: auto, ublk, nbd, fuse or nbd-socket',
      'auto',
    )
    .option('--verify', 'read the destination back and compare it before the cut-over')
    .option(
      '--unmount-at-cutover',
      'put no device-mapper device under the volume: at the cut-over it is unmounted, or waited for until it is let go',
    )
    .option(
      '--experimental-no-journal',
      'also move real disks, although a power cut would lose what was written meanwhile',
    )
    .option('--json', 'one JSON object per line on stdout');
  return hasStateDirectory ? command.option(...stateDirectoryOption) : command;
}

/** Of two disks one would be left out without a word. */
function once(value: string, previous: string | undefined): string {
  if (previous !== undefined)
    throw new InvalidArgumentError(`It is given twice: ${previous} was given before.`);
  return named(value);
}

/** Throws the first refusal. */
export async function makePlan(options: PlanOptions, purpose: 'show' | 'carry-out'): Promise<Plan> {
  return planRequested(requestOf(options), purpose);
}

function requestOf(options: PlanOptions): PlanRequest {
  return {
    sourcePath: resolve(options.source),
    destinationPath: resolve(options.destination),
    stateDirectory: stateDirectoryOf(options.stateDir),
    createBytes: options.create === undefined ? undefined : parseSize(options.create),
    mode: options.mode,
    frontend: options.frontend,
    verifies: options.verify === true,
    unmountsAtCutOver: options.unmountAtCutover === true,
    allowsNoJournal: options.experimentalNoJournal === true,
  };
}
