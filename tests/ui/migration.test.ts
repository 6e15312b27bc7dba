/**
 * Whole moves of loop disks through the wizard, by the hand of somebody who sees only the window: with the mouse,
 * by keyboard alone, with everything going away in the middle. What came out is compared byte by byte. Jobs are
 * paused while they are looked at, and written to meanwhile.
 */
import { spawn } from 'node:child_process';
import { readFileSync, truncateSync } from 'node:fs';
import { mebibyte } from '../../app/base/units.ts';
import { reportDocumentSchema } from '../../app/contract/report/document.ts';
import { runCommand } from '../../app/devices/command.ts';
import { describe, expect, it } from 'vitest';
import { makeLoopDisk } from '../system/support/loop-disk.ts';
import { useScratch } from '../system/support/scratch.ts';
import { waitUntil } from '../system/support/wait.ts';
import { hasChromium, useBrowser } from './support/browser.ts';
import { allLeft, confirm, contentOf, deviceOf, expectHolds, goToPlan, jobOf, pauseAtStart, pressStop, setUp, sizeBytes } from './support/stage.ts';
import { withWritten, writeMeanwhile } from './support/stage.ts';
import { Serving, WizardWindow } from './support/wizard-window.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();

/** Up to where a source can be read that fails. */
const goodBytes = 100 * mebibyte;

describe.skipIf(!isRoot || !hasChromium)('the wizard in a browser (needs root and chromium)', () => {
  it('moves a disk from the first screen to the last, and shuts nobody out on any of them', async () => {
    const stage = await setUp(scratch(), await browser());
    const content = contentOf(stage);
    const { service, window, source, destination } = stage;
    await window.see('Move a disk while it stays in use');
    await window.page.getByText('How a move goes').waitFor();
    // Its letters are its own, and nothing was asked for to have them.
    const fonts = await window.page.evaluate<string[]>("[...document.fonts].map(({ family, status }) => family + ' ' + status)");
    expect(fonts).toEqual(['Inter loaded']);
    await window.inspect('1-start');
    await window.press('Move a disk…');
    await window.see('What do you want to move?');
    // Nothing is chosen for anybody.
    const next = window.page.getByRole('button', { name: 'Continue' });
    expect(await next.isDisabled()).toBe(true);
    await window.choose(source.path);
    await window.inspect('2-source');
    await window.press('Continue');
    await window.see('Where should it go?');
    expect(await next.isDisabled()).toBe(true);
    // The source cannot be chosen as its own destination.
    await window.choose(source.path);
    expect(await next.isDisabled()).toBe(true);
    await window.choose(destination.path);
    await window.inspect('3-destination');
    await window.press('Continue');
    await window.page.getByText('The cut-over, step by step').waitFor();
    await window.inspect('4-plan');
    await window.press('Continue');
    await window.see(/^Erase/);
    const erase = window.page.getByRole('button', { name: /^Erase/ });
    expect(await erase.isDisabled()).toBe(true);
    await window.page.getByLabel(/to confirm/).fill(source.path);
    expect(await erase.isDisabled()).toBe(true);
    await window.inspect('5-confirm');
    const stopPausing = await pauseAtStart(service);
    await window.page.getByLabel(/to confirm/).fill(destination.path);
    await erase.click();
    await window.page.getByText('Copying is paused.').waitFor();
    await writeMeanwhile(stage);
    await window.inspect('6-migrate');
    await window.page.getByText('Full', { exact: true }).click();
    await waitUntil('the speed is set', async () => (await jobOf(service))?.speed === 'full');
    stopPausing();
    await window.press('Go on');
    await window.see('Everything has crossed');
    await window.page.getByText('were read back and are right').waitFor();
    await window.inspect('7-cut-over');
    await window.press('Cut over');
    await window.see(/^The move is complete/);
    await window.inspect('8-done');
    expectHolds(destination, withWritten(content));
    expectHolds(source, content);
    const downloading = window.page.waitForEvent('download');
    await window.page.getByLabel('Customer').fill('B & <C>');
    await window.press('Save as data (JSON)');
    const file = await (await downloading).path();
    const report = reportDocumentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    expect(report).toMatchObject({ outcome: 'finished', customer: 'B & <C>' });
    await expectPrinted(window, 'B & <C>');
    expect(window.complaints).toEqual([]);
    await window.close();
    await allLeft(stage);
  });

  it('goes on when the window is closed and when the service is killed, and shows it again', async () => {
    const stage = await setUp(scratch(), await browser());
    const content = contentOf(stage);
    const { service, window } = stage;
    const stopPausing = await pauseAtStart(service);
    await goToPlan(stage);
    await confirm(stage);
    await window.page.getByText('Copying is paused.').waitFor();
    stopPausing();
    await window.close();
    const other = new Serving(service);
    const again = await WizardWindow.open(await browser(), await other.link());
    await again.press('Open');
    await again.page.getByText('Copying is paused.').waitFor();
    await service.kill();
    await again.page.getByText('The service does not answer. Moves go on').waitFor();
    await service.serve();
    await again.page.getByText('The service does not answer.').waitFor({ state: 'detached' });
    await failPage(again);
    await again.press('Open');
    await again.press('Go on');
    await again.see('Everything has crossed');
    await again.press('Cut over');
    await again.see(/^The move is complete/);
    expectHolds(stage.destination, content);
    await again.close();
    await allLeft(stage);
  });

  it('goes back to the source, asking first, in a small window with large letters', async () => {
    // 900 by 600 at twice the size.
    const stage = await setUp(scratch(), await browser(), { size: { width: 450, height: 300 } });
    const content = contentOf(stage);
    const { service, window, source } = stage;
    const stopPausing = await pauseAtStart(service);
    await goToPlan(stage);
    await confirm(stage);
    await window.page.getByText('Copying is paused.').waitFor();
    await writeMeanwhile(stage);
    await window.press('Stop…');
    const question = window.page.getByRole('alertdialog');
    await question.waitFor();
    expect((await question.boundingBox())?.y, 'the question is in sight').toBeGreaterThan(0);
    expect((await question.boundingBox())?.y).toBeLessThan(300);
    await window.inspect('6-stop');
    await window.press('Do not stop');
    expect(await window.page.getByRole('alertdialog').count()).toBe(0);
    await pressStop(stage);
    stopPausing();
    await window.see('The move was undone');
    await window.inspect('8-undone');
    expectHolds(source, withWritten(content));
    expect(window.complaints).toEqual([]);
    await window.close();
    await allLeft(stage);
  });

  it('asks what to do about disks that fail, and does it', async () => {
    const stage = await setUp(scratch(), await browser());
    const content = contentOf(stage);
    const { service, window, source, destination } = stage;
    const stopPausing = await pauseAtStart(service);
    await goToPlan(stage);
    await confirm(stage);
    await window.page.getByText('Copying is paused.').waitFor();
    stopPausing();
    await deviceOf(service);
    // The source can be read no more beyond this, and the destination not be written to.
    truncateSync(source.file, goodBytes);
    const protect = (way: string) => runCommand('blockdev', [way, destination.path], 'switching the write protection');
    await protect('--setro');
    try {
      await window.press('Go on');
      await window.page.getByRole('alert').filter({ hasText: `${destination.path}: ` }).waitFor();
    } finally {
      // It would stay with the loop device's number.
      await protect('--setrw');
    }
    await window.press('Try again');
    await window.page.getByRole('alert').filter({ hasText: 'Unreadable places' }).waitFor();
    await window.inspect('6-decision');
    await window.press('Go on without it');
    const question = window.page.getByRole('alertdialog');
    await question.getByRole('button', { name: 'Go on without it' }).click();
    await window.see('Everything has crossed');
    await window.page.getByText('28 MiB of the source could not be read. On the destination they are zeroes.').waitFor();
    await window.inspect('7-without');
    await window.press('Cut over');
    await window.see('The move is complete, with these points');
    await window.inspect('8-points');
    content.fill(0, goodBytes);
    expectHolds(destination, content);
    expect(window.complaints).toEqual([]);
    await window.close();
    await allLeft(stage);
  });

  it('moves a disk by keyboard alone, and never loses the place where the person is', async () => {
    const stage = await setUp(scratch(), await browser());
    const content = contentOf(stage);
    const { service, window, source, destination } = stage;
    const { keyboard } = window.page;
    const focused = (name: string | RegExp) => window.page.locator(':focus').and(window.page.getByRole('button', { name }));
    await window.see('Move a disk while it stays in use');
    await tabTo(window, 'Move a disk…');
    await keyboard.press('Enter');
    await window.see('What do you want to move?');
    await tabTo(window, 'Look again');
    await keyboard.press('Enter');
    await window.page.getByText('Looking at the disks…').waitFor();
    await window.page.getByText('Looking at the disks…').waitFor({ state: 'detached' });
    await focused('Look again').waitFor();
    await arrowTo(window, source.path);
    // Another disk comes, too small for this source, and stands in nobody's way.
    const small = await makeLoopDisk(scratch(), 'small', { sizeBytes: sizeBytes - mebibyte });
    await window.row(small.path).waitFor();
    await window.page.locator(':focus').and(window.row(source.path)).waitFor();
    await keyboard.press('Space');
    await tabTo(window, 'Continue');
    await keyboard.press('Enter');
    await window.see('Where should it go?');
    await window.row(small.path).getByText('Not possible: it is 1 MiB smaller than the source').waitFor();
    await arrowTo(window, small.path);
    await keyboard.press('Space');
    expect(await window.page.getByRole('button', { name: 'Continue' }).isDisabled()).toBe(true);
    await arrowTo(window, destination.path);
    await keyboard.press('Space');
    await tabTo(window, 'Continue');
    await keyboard.press('Enter');
    await window.page.getByText('The cut-over, step by step').waitFor();
    await changePlan(window);
    await tabTo(window, 'Continue');
    await keyboard.press('Enter');
    await window.see(/^Erase/);
    await tabTo(window, /to confirm/);
    await keyboard.type(destination.path);
    await tabTo(window, /^Erase/);
    const stopPausing = await pauseAtStart(service);
    await keyboard.press('Enter');
    await window.page.getByText('Copying is paused.').waitFor();
    stopPausing();
    // At the gentle speed the copy makes way for whoever reads.
    const reading = spawn('dd', [`if=${await deviceOf(service)}`, 'of=/dev/null', 'bs=4k', 'iflag=direct'], { stdio: 'ignore' });
    const read = new Promise((ended) => reading.once('exit', ended));
    await tabTo(window, 'Go on');
    await keyboard.press('Enter');
    await focused('Pause').waitFor();
    await keyboard.press('Enter');
    await window.page.getByText('Copying is paused.').waitFor();
    reading.kill();
    await read;
    await focused('Go on').waitFor();
    await keyboard.press('Enter');
    await window.see('Everything has crossed');
    await tabTo(window, 'Cut over');
    await keyboard.press('Enter');
    await window.see(/^The move is complete/);
    expectHolds(destination, content);
    await window.close();
    await allLeft(stage);
  });
});

/** A part of the page throws while a move runs: it says so, and is loaded anew. */
async function failPage(window: WizardWindow): Promise<void> {
  await window.page.evaluate("HTMLCanvasElement.prototype.getContext = () => { throw new Error('no picture'); }");
  await window.page.setViewportSize({ width: 900, height: 600 });
  await window.page.getByText('Moves go on without it, and nothing has been changed').waitFor();
  await window.page.getByText('no picture').waitFor();
  await window.inspect('9-failed');
  await window.press('Load again');
}

/** Another plan is made of the same disks: what is shown stays where it is, and so does the focus. */
async function changePlan(window: WizardWindow): Promise<void> {
  const { page } = window;
  const layout = page.getByRole('heading', { name: 'Before and after' });
  await page.evaluate("for (const heading of document.querySelectorAll('h2')) heading.dataset.seen = 'yes'");
  const verify = page.getByRole('checkbox', { name: /Read the destination back/ });
  for (const isWanted of [false, true]) {
    await verify.focus();
    await page.keyboard.press('Space');
    await waitUntil('another plan is there', () => page.getByRole('button', { name: 'Continue' }).isEnabled());
    expect(await verify.isChecked()).toBe(isWanted);
    expect(await page.locator(':focus').and(verify).count()).toBe(1);
  }
  expect(await layout.getAttribute('data-seen')).toBe('yes');
  await page.getByRole('radio', { name: /^Gentle/ }).focus();
  await page.keyboard.press('Space');
}

/** Paper shows the report and nothing of the window. */
async function expectPrinted(window: WizardWindow, customer: string): Promise<void> {
  await window.page.evaluate('window.print = () => {}');
  await window.press('Print or save as PDF…');
  await window.page.locator('.printed').waitFor({ state: 'attached' });
  await window.page.emulateMedia({ media: 'print' });
  await window.picture('8-printed');
  expect(await window.page.locator('.printed').isVisible()).toBe(true);
  const printed = (await window.page.locator('.printed').textContent()) ?? '';
  for (const words of [customer, '(134,217,728 bytes)', 'Longest wait of one request', '88 MiB were read back and are right.'])
    expect(printed).toContain(words);
  // What a printer, or a file, gets of it.
  const pdf = await window.page.pdf({ format: 'A4' });
  expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
  expect(pdf.toString('latin1').match(/\/Type \/Page\b/g)?.length, 'pages').toBeLessThanOrEqual(2);
  for (const part of ['header', '.disk-pair', '.screen-actions', 'h1:not(.printed h1)'])
    expect(await window.page.locator(part).first().isVisible(), part).toBe(false);
  await window.page.emulateMedia({ media: 'screen' });
}

/** As a person does who has no mouse: on and on, until it has the focus. */
async function tabTo(window: WizardWindow, name: string | RegExp): Promise<void> {
  const wanted = window.page.getByRole('button', { name }).or(window.page.getByRole('textbox', { name }));
  // What cannot be taken back can be pressed a moment after it came.
  await waitUntil(`${String(name)} can be pressed`, () => wanted.first().isEnabled());
  for (let count = 0; count < 60; count += 1) {
    const focused = window.page.locator(':focus');
    if ((await focused.count()) > 0 && (await focused.and(wanted.first()).count()) > 0) return;
    await window.page.keyboard.press('Tab');
  }
  throw new Error(`${String(name)}: cannot be reached by keyboard`);
}

async function arrowTo(window: WizardWindow, path: string): Promise<void> {
  const wanted = window.row(path);
  await wanted.waitFor();
  const tree = window.page.getByRole('treegrid');
  while ((await tree.locator(':focus').count()) === 0) await window.page.keyboard.press('Tab');
  await window.page.keyboard.press('Home');
  for (let count = 0; count < 100; count += 1) {
    if ((await window.page.locator(':focus').and(wanted).count()) > 0) return;
    await window.page.keyboard.press('ArrowDown');
  }
  throw new Error(`${path}: cannot be reached by keyboard`);
}
