import { expect, test } from 'vitest';
import { DiskferryError } from '../../../app/base/error.ts';
import { EventQueue } from '../../../app/cli/event-queue.ts';
import type { JobEvent } from '../../../app/contract/events.ts';

const paused: JobEvent = { event: 'paused', job: 'a', timeMs: 1 };

test('gives every event that came before the end of the stream, and then says that it was cut off', async () => {
  const queue = new EventQueue();
  queue.listener.onEvent?.(paused);
  queue.listener.onStreamEnded?.('this client has read too slowly');
  queue.fail(new DiskferryError('no-service', 'gone'));
  expect(await queue.next()).toEqual(paused);
  await expect(queue.next()).rejects.toMatchObject({
    code: 'stream-ended',
    message: 'this client has read too slowly',
  });
});
