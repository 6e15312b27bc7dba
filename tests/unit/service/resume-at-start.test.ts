import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { readBootId } from '../../../app/migration/job-record.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import type { RecordedJob } from '../../../app/migration/recorded-jobs.ts';
import type { Jobs } from '../../../app/service/jobs.ts';
import { ResumeAtStart, decideResume } from '../../../app/service/resume-at-start.ts';

const ofBoot = (
  bootId: string,
  users: Partial<JobRecord['users']> = {},
  [source, destination]: readonly [string, string] = ['file', 'file'],
): JobRecord =>
  ({
    ...{ bootId, users: { units: [], ...users } },
    plan: { source: { kind: source }, destination: { kind: destination } },
  }) as unknown as JobRecord;

test.each([
  ['another boot', { record: ofBoot('earlier') }, 'resume'],
  ['another boot with units', { record: ofBoot('earlier', { units: ['db'] }) }, 'resume'],
  ['another boot with commands', { record: ofBoot('earlier', { stopCommand: 'stop db' }) }, 'has-commands'],
  ['another boot to a block device', { record: ofBoot('earlier', {}, ['file', 'block']) }, 'block-devices'],
  ['another boot from a block device', { record: ofBoot('earlier', {}, ['block', 'file']) }, 'block-devices'],
  ['this boot', { record: ofBoot('now') }, 'same-boot'],
  ['a record that cannot be read', { record: { defect: 'torn' } }, 'record-unreadable'],
])('a job of %s', (_, dead, verdict) => {
  expect(decideResume(dead, 'now')).toBe(verdict);
});

/** Jobs as far as they are asked here; `answers` are what each of them says first, in turn. */
class MadeJobs {
  readonly asked: string[] = [];
  readonly #dead: readonly RecordedJob[];
  readonly #answers: (JobEvent | Error)[];

  constructor(dead: Readonly<Record<string, string>>, answers: readonly (JobEvent | Error)[]) {
    this.#dead = Object.entries(dead).map(([job, boot]) => ({ job, directory: '', record: ofBoot(boot) }));
    this.#answers = [...answers];
  }

  dead(): Promise<readonly RecordedJob[]> {
    return Promise.resolve(this.#dead);
  }

  recover(job: string, how: object): Promise<JobEvent> {
    expect(how).toEqual({ goesBack: false, hold: false });
    this.asked.push(job);
    const answer = this.#answers.shift();
    if (answer === undefined) throw new Error('nobody should have asked');
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }
}

const begun: JobEvent = { event: 'synchronized', job: 'a', timeMs: 1 };
const failed = (code: 'disk-not-found' | 'job-held' | 'disk-silent' | 'source-changed'): JobEvent => ({
  ...{
    event: 'failed',
    job: 'a',
    timeMs: 1,
    code,
    message: `it is ${code}`,
    advice: 'Look.',
    dataIs: 'both',
  },
});

async function resume(jobs: MadeJobs): Promise<{ readonly resume: ResumeAtStart; readonly said: string[] }> {
  const said: string[] = [];
  const made = new ResumeAtStart(jobs as unknown as Jobs, (text) => said.push(text));
  await made.begin();
  return { resume: made, said };
}

describe('ResumeAtStart', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  test('goes on with jobs of an earlier boot only, and says what it leaves', async () => {
    const jobs = new MadeJobs({ a: 'earlier', b: await readBootId(), c: 'earlier' }, [begun, begun]);
    const { said } = await resume(jobs);
    expect(jobs.asked).toEqual(['a', 'c']);
    expect(said.filter((text) => text.startsWith('b has died since'))).toHaveLength(1);
  });

  test('tries again when a disk comes, for what lacked one, and never for what is refused', async () => {
    const answers = [failed('disk-not-found'), failed('source-changed'), failed('disk-not-found'), begun];
    const jobs = new MadeJobs({ a: 'earlier', b: 'earlier' }, answers);
    const { resume: made, said } = await resume(jobs);
    for (let change = 0; change < 4; change += 1) made.devicesChanged();
    expect(jobs.asked).toEqual(['a', 'b']);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toEqual(['a', 'b', 'a']);
    made.devicesChanged();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toEqual(['a', 'b', 'a', 'a']);
    made.devicesChanged();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toHaveLength(4);
    expect(said.filter((text) => text === 'b cannot go on: it is source-changed. Look.')).toHaveLength(1);
  });

  test('tries again soon what another process had, as unmask may have for a moment, or a disk that did not answer', async () => {
    const jobs = new MadeJobs({ a: 'earlier' }, [failed('job-held'), failed('disk-silent'), begun]);
    const { said } = await resume(jobs);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toEqual(['a', 'a']);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toEqual(['a', 'a', 'a']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs.asked).toHaveLength(3);
    expect(said).toContain('a cannot go on: it is job-held. It is tried again soon.');
  });

  test('outlives that somebody else was quicker', async () => {
    const jobs = new MadeJobs({ a: 'earlier', b: 'earlier' }, [new Error('the job runs'), begun]);
    await resume(jobs);
    expect(jobs.asked).toEqual(['a', 'b']);
  });
});
