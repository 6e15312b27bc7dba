/**
 * Whole moves in the desktop app: its real main process, preload and page, and the real service. The window is closed
 * and opened in the middle, the service killed, and what came out is compared byte by byte. In the real Electron where
 * its program is there.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { useScratch } from '../system/support/scratch.ts';
import { makeImages, Service, startJob } from '../system/support/service.ts';
import { waitUntil } from '../system/support/wait.ts';
import { hasChromium, useBrowser } from './support/browser.ts';
import type { Desktop } from './support/desktop.ts';
import { launchDesktop } from './support/desktop.ts';
import type { Stage } from './support/stage.ts';
import { allLeft, confirm, contentOf, expectHolds, goToPlan, jobOf, makeDisks, pauseAtStart } from './support/stage.ts';
import { pressStop, withWritten, writeMeanwhile } from './support/stage.ts';
import { WizardWindow } from './support/wizard-window.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();

describe.skipIf(!isRoot || !hasChromium)('a move in the desktop app (needs root and chromium)', () => {
  let service: Service;
  let desktop: Desktop;

  beforeEach(async () => {
    service = await Service.start(scratch());
    desktop = await launchDesktop(await browser(), service.socketPath);
  });
  afterEach(() => desktop.close());

  async function stageOf(): Promise<Stage> {
    const disks = await makeDisks(scratch());
    return { scratch: scratch(), service, window: WizardWindow.of(await desktop.page()), ...disks };
  }

  it('goes from the first screen to the last, whatever becomes of the window and the service', async () => {
    const stage = await stageOf();
    const content = contentOf(stage);
    const stopPausing = await pauseAtStart(service);
    await goToPlan(stage);
    await confirm(stage);
    await stage.window.page.getByText('Copying is paused.').waitFor();
    await writeMeanwhile(stage);
    await desktop.closeWindow();
    await desktop.startAgain();
    const window = WizardWindow.of(await desktop.page());
    await window.press('Open');
    await window.page.getByText('Copying is paused.').waitFor();
    await service.kill();
    await window.page.getByText('The service does not answer. Moves go on').waitFor();
    await service.serve();
    await window.page.getByText('The service does not answer.').waitFor({ state: 'detached' });
    await window.page.getByText('Full', { exact: true }).click();
    await waitUntil('the speed is set', async () => (await jobOf(service))?.speed === 'full');
    stopPausing();
    await window.press('Go on');
    await window.see('Everything has crossed');
    await window.press('Cut over');
    await window.see(/^The move is complete/);
    expectHolds(stage.destination, withWritten(content));
    expectHolds(stage.source, content);
    expect([...stage.window.complaints, ...window.complaints]).toEqual([]);
    await allLeft(stage);
  });

  it('is steered by itself when there are several, and shows how each has ended', async () => {
    const stage = await stageOf();
    const { window } = stage;
    const client = await service.client();
    const jobs = new Map<string, string>();
    for (const name of ['one', 'other']) {
      const disks = makeImages(scratch(), name, 24 * mebibyte);
      jobs.set(await startJob(client, disks, { hold: true }), disks.source);
    }
    const card = (source: string) => window.page.getByRole('listitem').filter({ hasText: source });
    const [one, other] = [...jobs.values()].map((source) => card(source));
    if (one === undefined || other === undefined) throw new Error('two moves run');
    for (const each of [one, other]) await each.getByText('Everything has crossed').waitFor();
    await one.getByRole('button', { name: 'Open' }).click();
    await window.see('Everything has crossed');
    await pressStop(stage);
    await window.see('The move was undone');
    await window.press('Back to the start');
    await one.getByText('Undone').waitFor();
    // Another client ends it, while this window shows the list.
    const [, second = ''] = jobs.keys();
    await client.request('cutover', { job: second });
    await other.getByText('Committed').waitFor();
    await window.page.getByText('No move is running on this machine.').waitFor();
    await other.getByRole('button', { name: 'Open' }).click();
    await window.see(/^The move is complete/);
    expect(window.complaints).toEqual([]);
    client.close();
    await allLeft(stage);
  });
});
