/** What goes into the order of a job besides its plan: its name, and who is stopped and started for it. */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import type { UsersToStop } from '../substitution/users.ts';
import { refuseAfterDeath } from './recorded-jobs.ts';

/** Of the source's name in the job's. */
const nameLengthMax = 40;

/** Something that can be typed in a shell, whatever the source is called. */
export function nameJob(plan: Plan): string {
  const words = basename(plan.source.path).match(/[A-Za-z0-9]+/g) ?? ['job'];
  return `${words.join('-').slice(0, nameLengthMax)}-${randomBytes(2).toString('hex')}`;
}

/** Throws the first of what speaks against a job of this plan, whoever starts it. */
export async function requireBeginning(plan: Plan, users: UsersToStop): Promise<void> {
  requireUsers(plan, users);
  await refuseAfterDeath(plan);
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
  if (mappedUsers.some(({ needsPassphrase }) => needsPassphrase)) return;
  const message = `${given}: no passphrase is needed to move ${source.path}`;
  throw new DiskferryError('usage', message, { context: { device: source.path } });
}
