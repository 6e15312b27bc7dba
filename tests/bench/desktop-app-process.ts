/**
 * The desktop app in a process of its own, so that what it costs can be told from all else: its real main process and
 * preload, with Chromium's page as its window (tests/ui/electron). Opens the only job there is, and looks at it for so
 * many seconds (the first parameter). Prints what it found as JSON.
 *
 * What drives the page is in this process as well, where Electron has something cheaper: its share of a processor is
 * more than the app's own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { StandIn } from '../ui/electron/stand-in.ts';
import { launchChromium } from '../ui/support/chromium.ts';
import { PageHealth } from '../ui/support/page-health.ts';

export interface WizardFigures {
  /** After a tenth of the time, after half of it, and at its end. */
  readonly heapBytes: readonly [first: number, half: number, last: number];
  /** Frames that took the page longer than 50 ms, and how long. */
  readonly longFramesMs: readonly number[];
  /** What the page took of a processor, which hardly depends on what else runs. */
  readonly pageShare: number;
  /** Of one core, in percent. */
  readonly mainShare: number;
}

async function watch(seconds: number): Promise<WizardFigures> {
  const browser = await launchChromium();
  const app = await StandIn.launch(browser);
  try {
    const page = await app.windows[0]?.page;
    if (page === undefined) throw new Error('the app has no window');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('heading', { level: 1, name: /^Moving/ }).waitFor();
    const health = await PageHealth.of(page);
    await sleep(seconds * 100);
    const first = await health.heapBytes();
    await health.watchFrames();
    const [startedMs, before, taskMs] = [performance.now(), process.cpuUsage(), await health.taskMs()];
    await sleep(seconds * 400);
    const half = await health.heapBytes();
    await sleep(seconds * 500);
    const { user, system } = process.cpuUsage(before);
    const elapsedMs = performance.now() - startedMs;
    const mainShare = (user + system) / 10 / elapsedMs;
    const pageShare = (100 * ((await health.taskMs()) - taskMs)) / elapsedMs;
    const longFramesMs = await health.longFrames();
    return { heapBytes: [first, half, await health.heapBytes()], longFramesMs, pageShare, mainShare };
  } finally {
    await app.close();
    await browser.close();
  }
}

process.stdout.write(`${JSON.stringify(await watch(Number(process.argv[2])))}\n`);
