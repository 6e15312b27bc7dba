/** The real job process, as it was built, with an order of a program that is of another build, or none. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { builtFile } from '../../../app/base/built-file.ts';
import type { AnyOrder, JobProcessMessage } from '../../../app/migration/job-channel.ts';

const job = 'sdb-1234';
const died: AnyOrder = { recovers: job, directory: '/nowhere', goesBack: false, hold: false };
const fresh = { directory: '/nowhere', request: { job } } as unknown as AnyOrder;
const successor = { ...fresh, takesOver: { why: 'SIGKILL' } } as AnyOrder;

async function give(order: AnyOrder, build: string | null | undefined): Promise<JobProcessMessage[]> {
  const child = fork(builtFile('app/migration/job-process.js'), [job], { serialization: 'advanced' });
  const said: JobProcessMessage[] = [];
  child.on('message', (message: JobProcessMessage) => {
    said.push(message);
    if (message.kind === 'ready') child.send({ kind: 'start', order, build });
  });
  expect(await once(child, 'close')).toEqual([0, null]);
  return said;
}

test.each([
  ['a new job', fresh, 'build-differs', 'untouched'],
  ['a job that died', died, 'build-differs', 'both'],
  ['a job whose process has died just now', successor, 'takeover-refused', 'both'],
])('%s is refused, and nothing is done', async (_, order, code, dataIs) => {
  for (const build of ['another', undefined])
    expect((await give(order, build)).at(-1)).toMatchObject({ event: { event: 'failed', code, dataIs, job } });
});

test('what runs from its source is taken', async () => {
  expect((await give(died, null)).at(-1)).toMatchObject({ event: { event: 'failed', code: 'job-missing' } });
});
