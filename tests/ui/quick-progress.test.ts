/**
 * Progress without end, of a volume of 64 TiB: the desktop app's page keeps none of it beyond what its charts show. How
 * quickly it draws, and what it costs the processor, is measured by `npm run bench -- --only wizard`.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { percentText } from '../../renderer/text/figures.ts';
import { useScratch } from '../system/support/scratch.ts';
import { makeImages, Service, startJob } from '../system/support/service.ts';
import { isSoak } from '../system/support/soak.ts';
import { waitUntil } from '../system/support/wait.ts';
import { StandIn } from './electron/stand-in.ts';
import { hasChromium, useBrowser } from './support/browser.ts';
import { PageHealth } from './support/page-health.ts';
import { QuickProgress } from './support/quick-progress.ts';
import { pauseAtStart } from './support/stage.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();
/** More than the charts have room for, so that all of it is in use. */
const firstUpdates = 700;
const moreUpdates = 600;
/** Of an update, which has a few kilobytes, nothing may stay; what a heap grows by otherwise does not depend on them. */
const keptBytesMax = 512;

describe.skipIf(!isSoak || !isRoot || !hasChromium)('a page that is told very much (in soak; needs root and chromium)', () => {
  let service: Service;
  let quick: QuickProgress;
  let standIn: StandIn;

  beforeEach(async () => {
    service = await Service.start(scratch());
    const path = scratch().path('quick.sock');
    quick = await QuickProgress.listen(path, service.socketPath);
    process.env['DISKFERRY_SOCKET'] = path;
    standIn = await StandIn.launch(await browser());
  });
  afterEach(async () => {
    await standIn.close();
    quick.close();
    delete process.env['DISKFERRY_SOCKET'];
  });

  it('keeps nothing of what it has shown', async () => {
    const client = await service.client();
    const stopPausing = await pauseAtStart(service);
    const job = await startJob(client, makeImages(scratch(), 'long', 32 * mebibyte), { hold: true });
    // The screen stays the same then, whatever else the page asks the service.
    await waitUntil('it is paused', async () => (await client.request('status', { job })).state === 'paused');
    stopPausing();
    const page = await standIn.windows[0]?.page;
    if (page === undefined) throw new Error('the app has no window');
    await page.getByRole('button', { name: 'Open' }).click();
    await waitUntil('a job has told progress', () => quick.isReady);
    const health = await PageHealth.of(page);
    /** The next ones wait until some have been shown, as a service waits for a client that reads. */
    const tell = async (updates: number): Promise<void> => {
      for (let count = 1; count <= updates; count += 1) {
        const event = await quick.tell();
        if (event === undefined || (count % 50 > 0 && count < updates)) continue;
        const { totalBytes, pendingBytes } = event;
        await page.getByText(`${percentText(totalBytes - pendingBytes, totalBytes)} %`).first().waitFor();
      }
    };
    await tell(firstUpdates);
    const before = await health.heapBytes();
    await tell(moreUpdates);
    const grownBytes = (await health.heapBytes()) - before;
    expect(grownBytes, `bytes after ${moreUpdates} updates`).toBeLessThan(moreUpdates * keptBytesMax);
    await client.request('undo', { job });
    await waitUntil('the job has gone', async () => (await client.request('list', {})).jobs.length === 0);
    client.close();
  });
});
