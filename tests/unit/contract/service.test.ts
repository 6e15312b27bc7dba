import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { controlRequests } from '../../../app/contract/control.ts';
import { serviceActions, serviceRequests } from '../../../app/contract/service.ts';
import { apiPage, apiPagePath } from '../../../resources/write-api.ts';

const policy = readFileSync(
  new URL('../../../resources/polkit/org.diskferry.policy', import.meta.url),
  'utf8',
);

describe('the contract of the service', () => {
  test('has a page that is current: npx tsx resources/write-api.ts', () => {
    expect(readFileSync(apiPagePath, 'utf8')).toBe(apiPage());
  });

  test('has every command that a job hears, but for the one that is a stream here', () => {
    const commands = Object.keys(controlRequests).filter((name) => name !== 'watch');
    const names = commands.map((name) => (name === 'accept-unreadable' ? 'acceptUnreadable' : name));
    expect(Object.keys(serviceRequests)).toEqual(expect.arrayContaining(names));
  });

  test('asks polkit for actions that the policy declares, and no others', () => {
    const declared = [...policy.matchAll(/<action id="org\.diskferry\.(\w+)">/g)].map(([, name]) => name);
    expect(declared.sort()).toEqual([...serviceActions].sort());
  });

  test('asks nobody for a password every few seconds, and each time before what cannot be taken back', () => {
    const answers = (action: string): string[] => {
      const [, declared = ''] = policy.split(`<action id="org.diskferry.${action}">`);
      const [defaults = ''] = declared.split('</action>');
      return [...defaults.matchAll(/<allow_\w+>(\w+)</g)].map(([, answer = '']) => answer);
    };
    expect(answers('view')).toEqual(['auth_admin_keep', 'auth_admin_keep', 'yes']);
    for (const action of ['start', 'cutover']) expect(answers(action)).toEqual(['auth_admin', 'auth_admin', 'auth_admin']);
  });

  test.each(['/etc/passwd\0.img', 'relative.img', ''])('takes no path like %j', (source) => {
    const taken = serviceRequests.plan.parameters.safeParse({ source, destination: '/d' });
    expect(taken.success).toBe(false);
  });

  test.each(['../../etc', 'a/b', '', 'a'.repeat(65)])('takes no job like %j', (job) => {
    expect(serviceRequests.status.parameters.safeParse({ job }).success).toBe(false);
  });

  test('starts nothing for a client that asks for more than there is', () => {
    const taken = serviceRequests.start.parameters.safeParse({
      token: 't',
      stopCommand: 'systemctl stop db',
    });
    expect(taken.success).toBe(false);
  });

  test.each(['--force', '-M', 'a b', 'a/b', ''])('takes no unit like %j', (unit) => {
    expect(serviceRequests.start.parameters.safeParse({ token: 't', units: [unit] }).success).toBe(false);
  });
});
