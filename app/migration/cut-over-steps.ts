/**
 * What the cut-over of a plan will do, in the order in which it is done, as sentences for people: what `plan`
 * and `cutover --dry-run` show. Pure; the placements carry it out.
 */
import type { Plan } from '../contract/plan.ts';

type Planned = Pick<Plan, 'way' | 'usesDeviceMapper' | 'mappedUsers' | 'mounts'> & {
  readonly destinationPath: string;
  /** `JOB` while it has no name. */
  readonly job: string;
  /** The tables have been changed already, since everything had crossed. */
  readonly isDirect: boolean;
};

export function cutOverSteps(plan: Planned): string[] {
  const { destinationPath, job } = plan;
  const commit = `${destinationPath} is made durable. This is the commit: until here the job can be undone.`;
  const gone = 'The virtual device goes.';
  if (plan.way === 'attach' && !plan.usesDeviceMapper) return ['As soon as nobody has the virtual device open, it goes.', commit];
  if (plan.usesDeviceMapper) {
    const devices = plan.way === 'live' ? plan.mappedUsers.map(({ name }) => name) : [`diskferry-${job}`];
    const named = devices.map((name) => `/dev/mapper/${name}`).join(' and ');
    const swap = plan.isDirect
      ? `${named}: leads to ${destinationPath} already, and stays so.`
      : `${named}: the table is changed to ${destinationPath}. I/O stands still for that moment; nothing is unmounted.`;
    return [commit.replace('is made durable', 'is made durable while it is in use'), swap, gone];
  }
  const targets = plan.mounts.map(({ target }) => target).join(' and ');
  return [
    `What uses ${targets} stops, and ${targets} is unmounted.`,
    gone,
    commit,
    `${destinationPath} is mounted on ${targets}, and what was stopped is started.`,
  ];
}
