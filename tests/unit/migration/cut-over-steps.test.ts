/** What people are told about a cut-over before it is made. */
import { describe, expect, it } from 'vitest';
import type { Plan, PlannedMount } from '../../../app/contract/plan.ts';
import { cutOverSteps } from '../../../app/migration/cut-over-steps.ts';

const mount: PlannedMount = {
  ...{ target: '/srv', fsType: 'ext4', options: 'rw', userOptions: '', readOnlyHere: false, root: '/' },
  propagation: { peerGroup: null, masterGroup: null, isUnbindable: false },
};
const user = {
  name: 'vg-home',
  majorMinor: '254:0',
  kind: 'lvm' as const,
  mountPoints: ['/home'],
  needsPassphrase: false,
};

function stepsOf(way: Plan['way'], usesDeviceMapper: boolean, isDirect = false): string[] {
  const names = { destinationPath: '/dev/sdc', job: 'JOB' };
  return cutOverSteps({ way, usesDeviceMapper, mounts: [mount], mappedUsers: [user], ...names, isDirect });
}

describe('the steps of a cut-over', () => {
  it.each([
    ['attach', false, ['nobody has', 'This is the commit']],
    ['attach', true, ['This is the commit', '/dev/mapper/diskferry-JOB: the table', 'virtual device goes']],
    ['remount', false, ['is unmounted', 'virtual device goes', 'This is the commit', 'is mounted on /srv']],
    ['remount', true, ['This is the commit', '/dev/mapper/diskferry-JOB: the table', 'virtual device goes']],
    ['live', true, ['This is the commit', '/dev/mapper/vg-home: the table', 'virtual device goes']],
  ] as const)(
    'of the way %s (device-mapper: %s) are in the order in which they are made',
    (way, mapped, parts) => {
      const steps = stepsOf(way, mapped);
      expect(steps).toHaveLength(parts.length);
      for (const [index, part] of parts.entries()) expect(steps[index]).toContain(part);
    },
  );

  it('change no table any more when everything has been direct before', () => {
    expect(stepsOf('live', true, true)[1]).toBe(
      '/dev/mapper/vg-home: leads to /dev/sdc already, and stays so.',
    );
  });
});
