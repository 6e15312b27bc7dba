import { describe, expect, test } from 'vitest';
import { serviceActions } from '../../../app/contract/service.ts';
import { Authority } from '../../../app/service/authority.ts';

const client = (userId: number, startTime: string | null = '99') => ({
  peer: { processId: 12, userId, groupId: userId },
  startTime,
});
const answering = (exitCode: number, asked: string[][] = []) =>
  new Authority(true, (program, parameters) => {
    asked.push([program, ...parameters]);
    return Promise.resolve({ exitCode, stdout: '', stderr: 'no bus' });
  });

describe.each(serviceActions)('the action %s', (action) => {
  test('is root’s without a question', async () => {
    const asked: string[][] = [];
    await answering(1, asked).require(action, client(0));
    await new Authority(false).require(action, client(0));
    expect(asked).toEqual([]);
  });

  test('is asked of polkit for others, by process, its start and its user', async () => {
    const asked: string[][] = [];
    await answering(0, asked).require(action, client(1000));
    expect(asked).toEqual([
      [
        'pkcheck',
        '--action-id',
        `org.diskferry.${action}`,
        '--process',
        '12,99,1000',
        '--allow-user-interaction',
      ],
    ]);
  });

  test.each([
    [1, 'polkit does not allow it'],
    [2, 'no agent is running'],
    [3, 'was dismissed'],
    [127, 'polkit cannot be asked: no bus'],
  ])('is refused when pkcheck ends with %i: %s', async (exitCode, why) => {
    await expect(answering(exitCode).require(action, client(1000))).rejects.toMatchObject({
      code: 'not-authorised',
      message: expect.stringContaining(why),
    });
  });

  test('is refused to everybody but root without polkit, and to a process that is gone', async () => {
    await expect(new Authority(false).require(action, client(1000))).rejects.toThrow(/only root/);
    await expect(answering(0).require(action, client(1000, null))).rejects.toThrow(/is gone/);
  });
});

test('one user has few questions open, and another is asked all the same', async () => {
  const answers: (() => void)[] = [];
  const waiting = new Authority(
    true,
    () => new Promise((resolve) => answers.push(() => resolve({ exitCode: 0, stdout: '', stderr: '' }))),
  );
  const open = Array.from({ length: 8 }, () => waiting.require('view', client(1000)));
  await expect(waiting.require('view', client(1000))).rejects.toMatchObject({ code: 'too-many-requests' });
  open.push(waiting.require('view', client(1001)));
  for (const answer of answers) answer();
  await Promise.all(open);
  const again = waiting.require('view', client(1000));
  answers.at(-1)?.();
  await again;
});
