/** The question before the start, at a terminal that is a pipe: what each answer and each key leads to. */
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { confirmPlan } from '../../../app/cli/confirm.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { makeFacts } from '../migration/made-facts.ts';
import { options } from '../migration/refusals.ts';

const plan = decidePlan(makeFacts({}), options);

async function confirmTyping(keys: string, isTTY = true, toBeCreated = false): Promise<void> {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const destination = { ...plan.destination, toBeCreated };
  const confirmed = confirmPlan({ ...plan, destination }, { stdin, stderr: new PassThrough() });
  stdin.write(keys);
  await confirmed;
}

describe('the confirmation', () => {
  test('is given by typing yes', async () => {
    await confirmTyping('yes\r');
  });

  test.each([
    ['another word', 'y\r', 'not-confirmed'],
    ['an empty line', '\r', 'not-confirmed'],
    ['Ctrl-D', '\x04', 'not-confirmed'],
    ['Ctrl-C', '\x03', 'interrupted'],
    ['Ctrl-C in the middle of the answer', 'ye\x03', 'interrupted'],
  ])('is refused by %s', async (_, keys, code) => {
    await expect(confirmTyping(keys)).rejects.toMatchObject({ code });
  });

  test('cannot be given without a terminal', async () => {
    await expect(confirmTyping('yes\r', false)).rejects.toMatchObject({ code: 'not-confirmed' });
  });

  test.each([
    [false, 'its content would be erased'],
    [true, 'the image would be made'],
  ])('does not speak of what is not there (a new image: %s)', async (toBeCreated, would) => {
    const message = `${plan.destination.path}: ${would}, and nobody is there to confirm it`;
    await expect(confirmTyping('', false, toBeCreated)).rejects.toMatchObject({ message });
  });
});
