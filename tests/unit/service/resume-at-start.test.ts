import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { readBootId } from '../../../app/migration/job-record.ts';
import type { JobRecord } from '../../../app/migration/job-record.ts';
import type { RecordedJob } from '../../../app/migration/recorded-jobs.ts';
import type { Jobs } from '../../../app/service/jobs.ts';
import { ResumeAtStart, decideResume } from '../../../app/service/resume-at-start.ts';

const ofBoot = (bootId: string, users: Partial<JobRecord['users']> = {}, way: Plan['way'] = 'attach'): JobRecord =>
  ({ bootId, users: { units: [], ...users }, plan: { way } }) as unknown as JobRecord;

test.each([
  ['another boot', { record: ofBoot('earlier') }, 'resume'],
  ['another boot with units', { record: ofBoot('earlier', { units: ['db'] }) }, 'resume'],
  ['another boot with commands', { record: ofBoot('earlier', { stopCommand: 'stop db' }) }, 'has-commands'],
  ['another boot of a mounted volume', { record: ofBoot('earlier', {}, 'remount') }, 'resume'],
  ['another boot of what is moved live', { record: ofBoot('earlier', {}, 'live') }, 'live'],
  ['this boot', { record: ofBoot('now') }, 'same-boot'],
  ['another boot that was gone on with in this one', { record: { ...ofBoot('earlier'), lastBootId: 'now' } }, 'same-boot'],
  ['another boot that was gone on with in a third', { record: { ...ofBoot('earlier'), lastBootId: 'later' } }, 'resume'],
  ['a record that cannot be read', { record: { defect: 'torn' } }, 'record-unreadable'],
])('a job of %s', (_, dead, verdict) => {
  expect(decideResume(dead, 'now')).toBe(verdict);
});

/** Jobs as far as they are asked here; `answers` are what each of them says first, in turn. */
class MadeJobs {
  readonly asked: string[] = [];
  readonly #dead: readonly RecordedJob[];
  readonly #answers: (JobEvent | Error | Promise<JobEvent>)[];
  onAsked = (): void => undefined;

  constructor(dead: Readonly<Record<string, string>>, answers: readonly (JobEvent | Error | Promise<JobEvent>)[]) {
    this.#dead = Object.entries(dead).map(([job, boot]) => ({ job, directory: '', record: ofBoot(boot) }));
    this.#answers = [...answers];
  }

  dead(): Promise<readonly RecordedJob[]> {
    return Promise.resolve(this.#dead);
  }

  recover(job: string, how: object): Promise<JobEvent> {
    expect(how).toEqual({ goesBack: false, hold: false });
    this.asked.push(job);
    this.onAsked();
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

async function resume(
  jobs: MadeJobs,
  onMade: (made: ResumeAtStart) => void = () => undefined,
): Promise<{ readonly resume: ResumeAtStart; readonly said: string[] }> {
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const asJobs = jobs as unknown as Jobs;
  const made = new ResumeAtStart({ jobs: asJobs, say, complain: say, disksKnown: () => Promise.resolve() });
  onMade(made);
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
    await vi.advanceTimersByTimeAsync(1_000);
    expect(jobs.asked).toEqual(['a', 'b', 'a']);
    made.devicesChanged();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toEqual(['a', 'b', 'a', 'a']);
    made.devicesChanged();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(jobs.asked).toHaveLength(4);
    expect(said.filter((text) => text === 'b cannot go on: it is source-changed. Look.')).toHaveLength(1);
    expect(said.filter((text) => text.startsWith('a cannot go on'))).toHaveLength(1);
  });

  test('tries less and less often when disks come again and again', async () => {
    const jobs = new MadeJobs({ a: 'earlier' }, Array<JobEvent>(12).fill(failed('disk-not-found')));
    const { resume: made } = await resume(jobs);
    const changing = setInterval(() => made.devicesChanged(), 100);
    await vi.advanceTimersByTimeAsync(120_000);
    clearInterval(changing);
    // After 0, 1, 2, 4, 8, 16, and then every 30 seconds.
    expect(jobs.asked).toHaveLength(8);
  });

  test('tries again when a disk comes while it looks for it', async () => {
    const jobs = new MadeJobs({ a: 'earlier' }, [failed('disk-not-found'), begun]);
    let come: () => void = () => undefined;
    jobs.onAsked = () => come();
    await resume(jobs, (made) => (come = () => made.devicesChanged()));
    jobs.onAsked = () => undefined;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs.asked).toEqual(['a', 'a']);
  });

  test('lets no job wait for one whose disk does not answer', async () => {
    const jobs = new MadeJobs({ a: 'earlier', b: 'earlier' }, [new Promise(() => undefined), begun]);
    void resume(jobs);
    await vi.waitFor(() => expect(jobs.asked).toEqual(['a', 'b']));
  });

  test('tries again soon what another process had, as unmask may have for a moment, or a disk that did not answer', async () => {
    const jobs = new MadeJobs({ a: 'earlier' }, [failed('job-held'), failed('disk-silent'), begun]);
    const { said } = await resume(jobs);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(jobs.asked).toEqual(['a', 'a']);
    await vi.advanceTimersByTimeAsync(2_000);
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
