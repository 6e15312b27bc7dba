/** What goes into the order of a job besides its plan: its name, and who is stopped and started for it. */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import { runProgram } from '../devices/program.ts';
import type { UsersToStop } from '../substitution/users.ts';
import { refuseHidden } from './hidden-source.ts';
import { refuseAfterDeath } from './recorded-jobs.ts';

/** Of the source's name in the job's. */
const nameLengthMax = 40;
/** Reports are kept by name: of a technician's thousand moves of one disk's name no two may have the same. */
const randomNameBytes = 4;
/** Of systemd. */
const answerMsMax = 30_000;

/** Something that can be typed in a shell, whatever the source is called. */
export function nameJob(plan: Plan): string {
  const words = basename(plan.source.path).match(/[A-Za-z0-9]+/g) ?? ['job'];
  return `${words.join('-').slice(0, nameLengthMax)}-${randomBytes(randomNameBytes).toString('hex')}`;
}

/** Throws the first of what speaks against a job of this plan, whoever starts it. */
export async function requireBeginning(plan: Plan, users: UsersToStop): Promise<void> {
  requireUsers(plan, users);
  await requireActive(users);
  await refuseAfterDeath(plan);
  await refuseHidden(plan);
}

/**
 * Throws `usage` for a unit that does not run. It would be running afterwards, and whoever may have a disk moved
 * is not by that allowed to start any unit of the machine.
 */
async function requireActive({ units }: UsersToStop): Promise<void> {
  for (const unit of units) {
    const { exitCode, stdout, stderr } = await runProgram('systemctl', ['is-active', '--', unit], answerMsMax);
    if (exitCode === 0) continue;
    const state = stdout.trim() || stderr.trim().split('\n')[0] || 'unknown';
    const message = `--stop-unit: ${unit} is not active (${state}), so there is nothing to stop`;
    throw new DiskferryError('usage', message, { context: { unit } });
  }
}

/** Throws `usage` where nobody has to be stopped, or would not be started again. */
function requireUsers({ way, source }: Plan, users: UsersToStop): void {
  requireBothCommands(users);
  const { stopCommand, units } = users;
  if (way === 'remount' || (stopCommand === undefined && units.length === 0)) return;
  const given = stopCommand === undefined ? '--stop-unit' : '--stop-command';
  const message = `${given}: ${source.path} is not mounted, so there is nothing to stop for`;
  throw new DiskferryError('usage', message, { context: { device: source.path } });
}

/** Who is stopped must be started again, and who is started must have been stopped. */
export function requireBothCommands({
  stopCommand,
  startCommand,
}: Pick<UsersToStop, 'stopCommand' | 'startCommand'>): void {
  if ((stopCommand === undefined) === (startCommand === undefined)) return;
  const [given, missing] =
    stopCommand === undefined ? ['--start-command', '--stop-command'] : ['--stop-command', '--start-command'];
  throw new DiskferryError('usage', `${given}: needs ${missing} as well: what is stopped is started again`);
}

/** Throws `usage` for a passphrase that nobody asks for. */
export function requireContainer({ source, mappedUsers }: Plan, given: string): void {
  if (mappedUsers.some(({ needsPassphrase, tokenKey }) => needsPassphrase || tokenKey !== undefined)) return;
  const message = `${given}: no passphrase is needed to move ${source.path}`;
  throw new DiskferryError('usage', message, { context: { device: source.path } });
}
