import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JobEvent } from '../../../app/contract/events.ts';
import { ControlServer } from '../../../app/migration/control-server.ts';
import type { ControlHandlers } from '../../../app/migration/control-server.ts';
import { EventLog } from '../../../app/migration/event-log.ts';
import { Jobs } from '../../../app/service/jobs.ts';

let stateDirectory: string;
let jobs: Jobs;
let said: string[];
let heard: JobEvent[];
let counts: number[];
const servers: ControlServer[] = [];

beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), 'diskferry-jobs-'));
  [said, heard, counts] = [[], [], []];
});
afterEach(async () => {
  jobs.close();
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(stateDirectory, { recursive: true });
});

const status = (job: string) => ({
  ...{ job, processId: 1, state: 'copying', source: '/dev/a', destination: '/dev/b', device: null },
  ...{ speed: 'full', progress: null, cutOver: [], decision: null },
});

/** A job that answers everything so; its record cannot be read. */
async function serve(job: string, answer: () => unknown): Promise<void> {
  const directory = join(stateDirectory, 'jobs', job);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'job.json'), '{');
  const handlers = new Proxy({} as ControlHandlers, { get: () => answer });
  const controlled = { handlers, events: new EventLog(directory) };
  servers.push(await ControlServer.listen(join(directory, 'control.sock'), controlled));
}

/** Those of an earlier test still hear, when the next has begun, that their jobs have gone: that is theirs. */
async function open(): Promise<void> {
  const own = { said, heard, counts };
  const onEvent = (event: JobEvent): void => void own.heard.push(event);
  const say = (text: string): void => void own.said.push(text);
  const onCount = (count: number): void => void own.counts.push(count);
  jobs = new Jobs({ stateDirectory, onEvent, onCount, say, answerMsMax: 1500 });
  await jobs.open();
}

const states = async () => Object.fromEntries((await jobs.list()).map(({ job, state }) => [job, state]));
const never = () => new Promise(() => undefined);

describe('Jobs', () => {
  test.each([
    ['does not answer', never, /has not answered "status"/],
    ['answers what nobody understands', () => ({ state: 'dancing' }), /does not understand/],
    ['has a fault', () => Promise.reject(new TypeError('oh')), /cannot be heard: oh/],
  ])('looks after the others when one %s, and lists it', async (_, answer, why) => {
    await serve('bad', answer);
    await serve('good', () => status('good'));
    await open();
    expect(await states()).toEqual({ bad: 'not-answering', good: 'copying' });
    expect(counts.at(-1)).toBe(2);
    expect(said.filter((text) => why.test(text))).toHaveLength(1);
    await expect(jobs.ask('bad', 'pause', {})).rejects.toMatchObject({ code: 'job-silent' });
    await expect(jobs.eventsOf('bad')).rejects.toMatchObject({ code: 'job-silent' });
    expect(await jobs.ask('good', 'pause', {})).toEqual(status('good'));
  });

  test('hears one that falls silent again when it answers', async () => {
    let isStopped = false;
    await serve('sda-1', () => (isStopped ? never() : status('sda-1')));
    await open();
    isStopped = true;
    expect(await states()).toEqual({ 'sda-1': 'not-answering' });
    isStopped = false;
    await expect.poll(states, { timeout: 60_000 }).toEqual({ 'sda-1': 'copying' });
    expect(await jobs.ask('sda-1', 'status', {})).toEqual(status('sda-1'));
    expect(counts).not.toContain(0);
    expect(counts.at(-1)).toBe(1);
  });
});
