/**
 * The desktop app while a job tells its progress ten times a second, which is as often as a client is told: a heap
 * that stays as it is, no frame over 50 ms, and a main process that costs next to nothing. The service and the job
 * are real; the progress between them and the app is made up, of 64 TiB (tests/ui/support/quick-progress.ts).
 */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mebibyte } from '../../../app/base/units.ts';
import { ServiceClient } from '../../../app/client/service-client.ts';
import { makeImage } from '../../system/support/loop-disk.ts';
import { waitUntil } from '../../system/support/wait.ts';
import { longFrameMs } from '../../ui/support/page-health.ts';
import { QuickProgress } from '../../ui/support/quick-progress.ts';
import type { Bench, Benchmark } from '../benchmark.ts';
import type { WizardFigures } from '../desktop-app-process.ts';
import type { Outcome } from '../outcome.ts';
import { compare, holdAgainst } from '../outcome.ts';

const perSecond = 10;
const mainShareMax = 5;
const program = fileURLToPath(new URL('../../../build/app/service/main.js', import.meta.url));
const app = fileURLToPath(new URL('../desktop-app-process.ts', import.meta.url));

export const wizard: Benchmark = {
  name: 'wizard',
  title: 'the wizard at ten updates a second',

  async run(bench: Bench): Promise<readonly Outcome[]> {
    const path = join(bench.directory, 'quick.sock');
    const quick = await QuickProgress.listen(path, await serve(bench));
    bench.held.add('the progress', () => quick.close());
    const ticking = setInterval(() => void quick.tell(), 1000 / perSecond);
    bench.held.add('its clock', () => clearInterval(ticking));
    const { heapBytes, longFramesMs, pageShare, mainShare } = await figuresOf(path, bench);
    const [first = 0, half = 0, last = 0] = heapBytes.map((bytes) => bytes / mebibyte);
    const limit = { kind: 'at-most', ratio: 1 } as const;
    return [
      compare({
        ...{ what: 'heap of the page at the end', unit: 'MiB', ours: [last] },
        ...{ theirName: 'after half of the time', theirs: [half], goal: { kind: 'at-most', ratio: 1.05 } },
      }),
      compare({
        ...{ what: 'the same', unit: 'MiB', ours: [last], theirName: 'after a tenth', theirs: [first], goal: null },
      }),
      holdAgainst(longFrameMs, { what: 'longest frame', unit: 'ms', ours: [Math.max(0, ...longFramesMs)], goal: limit }),
      holdAgainst(1, { what: `frames over ${longFrameMs} ms`, unit: 'frames', ours: [longFramesMs.length], goal: null }),
      holdAgainst(100, { what: 'the page, of a core', unit: '%', ours: [pageShare], goal: null }),
      holdAgainst(mainShareMax, {
        ...{ what: 'main process, and what drives its page', unit: '%', ours: [mainShare] },
        goal: { kind: 'below', ratio: 1 },
      }),
    ];
  },
};

/** The service with one paused job; returns its socket. */
async function serve(bench: Bench): Promise<string> {
  const [path, state] = [join(bench.directory, 'd.sock'), join(bench.directory, 'state')];
  const service = spawn(process.execPath, [program, '--socket', path, '--state-dir', state], { stdio: 'ignore' });
  bench.held.add('the service', () => void service.kill('SIGKILL'));
  const connect = async (): Promise<ServiceClient | undefined> => ServiceClient.connect(path).catch(() => undefined);
  let client: ServiceClient | undefined;
  await waitUntil('the service answers', async () => (client = await connect()) !== undefined);
  if (client !== undefined) await startPaused(bench, client);
  return path;
}

async function startPaused(bench: Bench, client: ServiceClient): Promise<void> {
  const [source, destination] = [join(bench.directory, 'source.img'), join(bench.directory, 'destination.img')];
  for (const image of [source, destination]) makeImage(image, 1024 * mebibyte);
  const { token } = await client.request('plan', { source, destination, frontend: 'nbd-socket' });
  const { job } = await client.request('start', { token, speed: 'gentle', hold: true });
  bench.held.add('the job', async () => {
    await client.request('undo', { job });
    await waitUntil('the job has gone', async () => (await client.request('list', {})).jobs.length === 0);
    client.close();
  });
  await client.request('pause', { job });
}

async function figuresOf(socketPath: string, { effort, interrupted }: Bench): Promise<WizardFigures> {
  const env = { ...process.env, DISKFERRY_SOCKET: socketPath };
  await sleep(0, undefined, { signal: interrupted });
  const parameters = ['--import', 'tsx', app, String(effort.wizardSeconds)];
  const { stdout } = await promisify(execFile)(process.execPath, parameters, { env, signal: interrupted });
  return JSON.parse(stdout) as WizardFigures;
}
