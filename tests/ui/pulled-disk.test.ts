/**
 * The destination is pulled in the middle of a move: every read and every write of it fails from then on, for good. Its
 * image lies in a file system of its own, which is shut down by ext4's switch for tests (EXT4_IOC_SHUTDOWN, by
 * xfs_io): what a loop device over it gets then is what a disk without a cable gives.
 *
 * The wizard must say which disk it is and that it waits, offer the way back, and, since what programs have written
 * was on the destination alone, must not let that be lost without being told so first.
 */
import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { makeFileSystem, mount } from '../system/support/file-system.ts';
import { makeLoopDisk } from '../system/support/loop-disk.ts';
import { useScratch } from '../system/support/scratch.ts';
import { sweep } from '../system/support/traces.ts';
import { waitUntil } from '../system/support/wait.ts';
import { hasChromium, useBrowser } from './support/browser.ts';
import { allLeft, confirm, contentOf, expectHolds, goToPlan, pauseAtStart, setUp, writeMeanwhile } from './support/stage.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();

/** A disk that can be pulled: where its image belongs, and what pulls it. */
async function makePullable(): Promise<{ readonly directory: string; readonly pull: () => Promise<void> }> {
  const directory = await scratch().makeDirectory('cable');
  const under = await makeLoopDisk(scratch(), 'under', { sizeBytes: 320 * mebibyte });
  await makeFileSystem('ext4', under.path);
  await mount(under.path, directory);
  // The disk on it goes before what it lies on.
  scratch().onRelease('the disk that can be pulled', () => sweep(directory));
  const pull = async (): Promise<void> => {
    await runCommand('xfs_io', ['-x', '-c', 'shutdown', directory], 'pulling the destination');
  };
  return { directory, pull };
}

describe.skipIf(!isRoot || !hasChromium)('a destination that is pulled (needs root and chromium)', () => {
  it('is named, and the way back loses nothing that the person was not asked about', async () => {
    const { directory, pull } = await makePullable();
    const stage = await setUp(scratch(), await browser(), { destinationDirectory: directory });
    const content = contentOf(stage);
    const { service, window, source, destination } = stage;
    const { page } = window;
    const stopPausing = await pauseAtStart(service);
    await goToPlan(stage);
    await confirm(stage);
    await page.getByText('Copying is paused.').waitFor();
    await writeMeanwhile(stage);
    // The map knows where that was.
    await window.press('Show as tables');
    const place = page.getByRole('row').filter({ hasText: '72 MiB to 80 MiB' });
    await place.filter({ hasText: 'written since the start100 %100 %' }).waitFor();
    await window.inspect('6-places');
    stopPausing();
    await pull();
    await window.press('Go on');
    const alert = page.getByRole('alert').filter({ hasText: `${destination.path}: ` });
    await alert.waitFor();
    await alert.getByText('Do not unplug').waitFor();
    // Whoever looks at the tables far below sees it, too.
    await expectInSight(alert.getByRole('heading'));
    await window.inspect('6-pulled');
    await alert.getByRole('button', { name: 'Go back to the source' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Go back to the source' }).click();
    // Nobody can read what only it has: that is said before it is given up.
    const lost = page.getByRole('alert').filter({ hasText: 'nothing can be read from it any more' });
    await lost.getByText('Programs have written up to 40 MiB since the start, which only the destination has.').waitFor();
    await staysWhileProgressIsTold(page, lost);
    await window.inspect('6-pulled-back');
    await lost.getByRole('button', { name: 'Go on without it' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Go on without it' }).click();
    await window.see(/^The move was undone/);
    await window.inspect('8-pulled');
    // As it was before the move: what was written is told as lost.
    expectHolds(source, content);
    expect(window.complaints).toEqual([]);
    await window.close();
    await allLeft(stage);
  });
});

async function expectInSight(heading: Locator): Promise<void> {
  const isInSight = async (): Promise<boolean> => {
    const [box, content] = [await heading.boundingBox(), await heading.page().locator('.screen-content').boundingBox()];
    return box !== null && content !== null && box.y >= content.y && box.y + box.height <= content.y + content.height;
  };
  await waitUntil('it is in sight', isInSight);
}

/** What waits for a person does not go by itself. */
async function staysWhileProgressIsTold(page: Page, shown: Locator): Promise<void> {
  const running = (): Promise<string | null> => page.getByText(/^Running for/).textContent();
  for (let count = 0; count < 2; count += 1) {
    const before = await running();
    await waitUntil('the job has told more', async () => (await running()) !== before);
    expect(await shown.count(), 'it is still there').toBe(1);
  }
}
