import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { ControlServer } from '../../../app/migration/control-server.ts';
import type { ControlHandlers } from '../../../app/migration/control-server.ts';
import { EventLog } from '../../../app/migration/event-log.ts';
import { keepHistory } from '../../../app/migration/job-history.ts';
import { hearJob } from '../../../app/service/adopted-job.ts';

let stateDirectory: string;
let directory: string;
let heard: JobEvent[];

const job = 'sda-1';
const paused: JobEvent = { event: 'paused', job, timeMs: 1 };
const resumed: JobEvent = { event: 'resumed', job, timeMs: 2 };
const failed: JobEvent = {
  ...{ event: 'failed', job, timeMs: 3, code: 'interrupted', message: 'm', advice: 'a', dataIs: 'source' },
};
const handlers = new Proxy({} as ControlHandlers, { get: () => () => Promise.resolve({}) });

beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'diskferry-adopted-'));
  directory = join(stateDirectory, 'jobs', job);
  mkdirSync(directory, { recursive: true });
  heard = [];
});
afterEach(() => rmSync(stateDirectory, { recursive: true }));

const serve = (events: EventLog): Promise<ControlServer> =>
  ControlServer.listen(join(directory, 'control.sock'), { handlers, events });

function hear(successorMsMax = 60_000, isServed = () => false): Promise<void> {
  const log = new EventLog(null);
  log.onAdd((event) => heard.push(event));
  return hearJob({ stateDirectory, job, log, say: () => {}, isServed, successorMsMax });
}

describe('hearJob', () => {
  test('tells everything to the end', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const server = await serve(events);
    const hearing = hear();
    await expect.poll(() => heard).toEqual([paused]);
    events.add(failed);
    await server.close();
    await hearing;
    expect(heard).toEqual([paused, failed]);
  });

  test('connects anew to a job that goes on, and tells nothing twice', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const first = await serve(events);
    const hearing = hear();
    await expect.poll(() => heard).toEqual([paused]);
    await first.close();
    events.add(resumed);
    const second = await serve(events);
    await expect.poll(() => heard).toEqual([paused, resumed]);
    events.add(failed);
    await second.close();
    await hearing;
    expect(heard).toEqual([paused, resumed, failed]);
  });

  test('finds the last word of a job that ended unheard, in its history', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const server = await serve(events);
    const hearing = hear();
    await expect.poll(() => heard).toEqual([paused]);
    await server.close();
    events.add(failed);
    await keepHistory(stateDirectory, { job, directory });
    rmSync(directory, { recursive: true });
    await hearing;
    expect(heard).toEqual([paused, failed]);
  });

  test('tells the end of a job of another version, also when it does not understand it', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const server = await serve(events);
    const hearing = hear(200);
    await expect.poll(() => heard).toEqual([paused]);
    const line = { ...failed, code: 'of-the-future', message: 'the moon is full' };
    appendFileSync(join(directory, 'events.jsonl'), `${JSON.stringify(line)}\n`);
    await server.close();
    await hearing;
    expect(heard).toEqual([paused, { ...line, code: 'end-not-understood' }]);
  });

  test('waits for a successor as long as the disk of the dead process does not answer', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const server = await serve(events);
    let asked = 0;
    const hearing = hear(0, () => (asked += 1) > 0);
    await expect.poll(() => heard).toEqual([paused]);
    await server.close();
    await expect.poll(() => asked, { timeout: 10_000 }).toBeGreaterThan(5);
    const successor = await serve(events);
    events.add(resumed);
    await expect.poll(() => heard).toEqual([paused, resumed]);
    events.add(failed);
    await successor.close();
    await hearing;
    expect(heard).toEqual([paused, resumed, failed]);
  });

  test('says itself that a job has died, so that nobody waits for ever', async () => {
    const events = new EventLog(directory);
    events.add(paused);
    const server = await serve(events);
    const hearing = hear(200);
    await expect.poll(() => heard).toEqual([paused]);
    await server.close();
    await hearing;
    expect(heard).toMatchObject([paused, { event: 'failed', code: 'engine-died', dataIs: 'both' }]);
  });
});
