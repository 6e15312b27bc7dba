/**
 * What a supervisor does about the death of its job process. In the place of the real one a few lines speak its
 * part, so that it dies at an exact moment, and no disk is needed; /dev/fuse is whatever file there is.
 */
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { builtFile } from '../../../app/base/built-file.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import type { SupervisedOrder } from '../../../app/migration/supervisor.ts';
import { Supervisor } from '../../../app/migration/supervisor.ts';

vi.mock('../../../app/base/built-file.ts');
vi.mock('../../../app/engine/hardening.ts', () => ({ hardenedNode: () => ({}) }));
vi.mock('../../../app/engine/fuse-device.ts', () => ({
  canBeTakenOver: () => true,
  openFuse: () => openSync('/dev/null', 'r'),
}));

vi.mock('../../../app/engine/ublk-disk.ts', () => ({ canUblkBeTakenOver: () => true }));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-supervisor-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Serves, and is killed at once; each successor notes why it was started. */
const dying = `
  const tell = (event) => process.send({ kind: 'event', event: { job: 'sdb-1234', timeMs: 1, ...event } });
  process.on('message', ({ kind, order }) => {
    if (kind !== 'start') return;
    tell({ event: 'warning', code: 'taken-over', message: order.takesOver?.why ?? 'the first' });
    tell({ event: 'planned', plan: {} });
    process.send({ kind: 'event', event: { event: 'attached', job: 'sdb-1234', timeMs: 1, device: '/dev/loop0' } }, () =>
      process.kill(process.pid, 'SIGKILL'));
  });
  process.send({ kind: 'ready' });
`;

interface Asked {
  readonly frontend: string;
  readonly passphrase?: Uint8Array;
  readonly mappedUsers?: readonly { readonly tokenKey: string }[];
}

function orderFor({ frontend, passphrase, mappedUsers = [] }: Asked): SupervisedOrder {
  const request = { job: 'sdb-1234', plan: { frontend, mappedUsers } };
  return { directory: '/nowhere', passphrase, request } as unknown as SupervisedOrder;
}

async function supervise(order = orderFor({ frontend: 'fuse' })): Promise<{ readonly last: JobEvent; readonly said: readonly string[] }> {
  const told: JobEvent[] = [];
  const last = await Supervisor.start({ order, onEvent: (event) => told.push(event) }).ended();
  expect(told.at(-1)).toBe(last);
  return { last, said: told.flatMap((event) => (event.event === 'warning' ? [event.message] : [])) };
}

function program(text: string): string {
  const path = join(directory, 'job-process.cjs');
  writeFileSync(path, text);
  return path;
}

test('has three successors within a minute, and then says that they died as well', async () => {
  vi.mocked(builtFile).mockReturnValue(program(dying));
  const { last, said } = await supervise();
  expect(said).toEqual(['the first', 'SIGKILL', 'SIGKILL', 'SIGKILL']);
  expect(last).toMatchObject({ event: 'failed', code: 'engine-died', dataIs: 'both' });
  expect(last).toMatchObject({ message: expect.stringMatching(/SIGKILL, and so did those that took over$/) as string });
});

test.each([
  ['over ublk on a kernel that hands a device on', { frontend: 'ublk' }, true],
  ['over nbd', { frontend: 'nbd' }, true],
  ["over a socket, whose clients see that it is gone", { frontend: 'nbd-socket' }, false],
  ['with a key in the memory of its process', { frontend: 'ublk', passphrase: new Uint8Array(4) }, false],
  ['whose key its token has opened', { frontend: 'ublk', mappedUsers: [{ tokenKey: 'disk' }] }, false],
])('of a job %s it knows whether there can be a successor', async (_, order, isPossible) => {
  vi.mocked(builtFile).mockReturnValue(program(dying));
  const { last, said } = await supervise(orderFor(order));
  expect(said).toHaveLength(isPossible ? 4 : 1);
  expect(last).toMatchObject({ event: 'failed', code: 'engine-died', dataIs: 'both' });
});

test('says it when nobody could take over, as while the program is being replaced', async () => {
  vi.mocked(builtFile).mockReturnValueOnce(program(dying)).mockImplementation(() => {
    throw new Error('job-process.js is not built');
  });
  const { last, said } = await supervise();
  expect(said).toEqual(['the first']);
  expect(last).toMatchObject({ event: 'failed', code: 'engine-died', dataIs: 'both' });
  expect(last).toMatchObject({
    message: expect.stringMatching(/SIGKILL; nobody could take over: job-process.js is not built$/) as string,
  });
});

test('has no successor for one that served nobody, whose disks are untouched', async () => {
  vi.mocked(builtFile).mockReturnValue(program('process.exit(7)'));
  const { last, said } = await supervise();
  expect(said).toEqual([]);
  expect(last).toMatchObject({ code: 'engine-died', dataIs: 'untouched', message: expect.stringContaining('exit code 7') as string });
});
