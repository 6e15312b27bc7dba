/**
 * The desktop app: its real main process and preload, with the wizard's page in Chromium and the real service. The
 * security rules are read from what the app itself has set.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { hostChannels } from '../../app/contract/host-port.ts';
import { useScratch } from '../system/support/scratch.ts';
import { haveAllLeft, makeImages, Service, startJob } from '../system/support/service.ts';
import { waitUntil } from '../system/support/wait.ts';
import { StandIn } from './electron/stand-in.ts';
import type { StandInWindow } from './electron/stand-in-window.ts';
import { hasChromium, useBrowser } from './support/browser.ts';

const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();

describe.skipIf(!isRoot || !hasChromium)('the desktop app (needs root and chromium)', () => {
  let service: Service;
  let standIn: StandIn;
  let window: StandInWindow;

  beforeEach(async () => {
    service = await Service.start(scratch());
    process.env['DISKFERRY_SOCKET'] = service.socketPath;
    standIn = await StandIn.launch(await browser());
    const [first] = standIn.windows;
    if (first === undefined) throw new Error('the app has no window');
    window = first;
  });
  afterEach(async () => {
    await standIn.close();
    delete process.env['DISKFERRY_SOCKET'];
  });

  it('shows the wizard of the real service, and gives its page nothing but a port', async () => {
    const page = await window.page;
    await page.getByText('Service 0.1.0').waitFor();
    await page.getByRole('button', { name: 'Move a disk…' }).click();
    await page.getByRole('treegrid').waitFor();
    expect(window.options.webPreferences).toMatchObject({
      ...{ sandbox: true, contextIsolation: true, nodeIntegration: false, webSecurity: true, webviewTag: false },
    });
    const reachable = await page.evaluate('[typeof require, typeof process, Object.keys(diskferryHost).join()]');
    expect(reachable).toEqual(['undefined', 'undefined', 'ask,listen']);
  });

  it('lets no page go elsewhere, open windows, or be granted anything, and can be closed while it loads', async () => {
    const { webContents } = window;
    const isPrevented = (name: string, details: object = {}): boolean => {
      let wasPrevented = false;
      webContents.emit(name, { ...details, preventDefault: () => (wasPrevented = true) });
      return wasPrevented;
    };
    for (const name of ['will-navigate', 'will-frame-navigate', 'will-redirect', 'will-attach-webview'])
      expect(isPrevented(name, { url: 'https://example.org/', isMainFrame: true }), name).toBe(true);
    // It may load itself anew; a frame in it may not.
    const own = 'diskferry://wizard/';
    expect(isPrevented('will-navigate', { url: own })).toBe(false);
    expect([true, false].map((isMainFrame) => isPrevented('will-frame-navigate', { url: own, isMainFrame }))).toEqual([false, true]);
    expect(webContents.openHandler?.({ url: 'https://example.org' })).toEqual({ action: 'deny' });
    const answers: unknown[] = [];
    standIn.sessionHandlers.get('setPermissionRequestHandler')?.(webContents, 'media', (answer: unknown) => answers.push(answer));
    answers.push(standIn.sessionHandlers.get('setPermissionCheckHandler')?.(webContents, 'media', 'x', {}));
    answers.push(standIn.sessionHandlers.get('setDevicePermissionHandler')?.({}));
    expect(answers).toEqual([false, false, false]);
    await window.close();
  });

  it('has no menu for those who build pages, and comes back when its page has gone', async () => {
    expect(JSON.stringify(standIn.menu)).not.toMatch(/devtools|forcereload|viewMenu|fileMenu/i);
    const page = await window.page;
    await page.getByText('Service 0.1.0').waitFor();
    await page.evaluate('document.body.replaceChildren()');
    window.webContents.emit('render-process-gone', {}, { reason: 'crashed' });
    await page.getByText('Service 0.1.0').waitFor();
    expect(standIn.questions).toEqual([]);
  });

  it('asks what to do about a page that cannot be started, and closes its window when that is wanted', async () => {
    const page = await window.page;
    await page.getByText('Service 0.1.0').waitFor();
    await page.evaluate('document.body.replaceChildren()');
    window.webContents.emit('render-process-gone', {}, { reason: 'launch-failed' });
    await page.getByText('Service 0.1.0').waitFor();
    expect(standIn.questions).toMatchObject([{ message: 'The wizard cannot be shown' }]);
    standIn.nextAnswer = 1;
    window.webContents.emit('render-process-gone', {}, { reason: 'launch-failed' });
    await waitUntil('the app has gone', () => standIn.hasQuit);
  });

  it('hears nobody but its own page, and no more than the contract has', async () => {
    await (await window.page).getByText('Service 0.1.0').waitFor();
    const { webContents } = window;
    const own = { sender: webContents, senderFrame: webContents.mainFrame };
    const list = { name: 'list', parameters: {} };
    const ask = (event: object, request: unknown) => standIn.receive('invoke', hostChannels.ask, event, [request]);
    const refused = (code: string) => ({ value: { outcome: 'refused', refusal: { code } } });
    expect(await ask(own, list)).toMatchObject({ value: { outcome: 'done', result: { jobs: [] } } });
    const framed = { ...own, senderFrame: { ...webContents.mainFrame } };
    expect(await ask(framed, list)).toMatchObject(refused('not-authorised'));
    expect(await ask({ ...own, senderFrame: null }, list)).toMatchObject(refused('not-authorised'));
    expect(await ask({ ...own, sender: {} }, list)).toMatchObject(refused('not-authorised'));
    for (const request of [undefined, { name: 'hello', parameters: {} }, { name: 'pause', parameters: { job: '../x' } }])
      expect(await ask(own, request)).toMatchObject(refused('usage'));
  });

  it('stays without a window while a move runs, tells its end, and goes then', async () => {
    await (await window.page).getByText('Service 0.1.0').waitFor();
    const client = await service.client();
    const job = await startJob(client, makeImages(scratch(), 'kept', 24 * mebibyte), { hold: true });
    await waitUntil('all has crossed', async () => (await client.request('status', { job })).state === 'synchronized');
    await window.close();
    expect(standIn.hasQuit).toBe(false);
    await client.request('cutover', { job });
    await waitUntil('the app has gone', () => standIn.hasQuit);
    await waitUntil('the job has left', () => haveAllLeft(scratch()));
    expect(standIn.notices).toContainEqual(expect.objectContaining({ title: 'The move is complete' }));
    client.close();
  });

  it('looks anew when the machine has woken', async () => {
    const page = await window.page;
    await page.getByText('Service 0.1.0').waitFor();
    const asked: string[] = [];
    await page.exposeFunction('noteMessage', (kind: string) => asked.push(kind));
    await page.evaluate("diskferryHost.listen(({ kind }) => noteMessage(kind))");
    standIn.powerMonitor.emit('resume');
    await waitUntil('the page has heard of it', () => asked.includes('awoken'));
  });

  it('goes with its window when no move runs, and touches no service', async () => {
    await (await window.page).getByText('Service 0.1.0').waitFor();
    await window.close();
    await waitUntil('the app has gone', () => standIn.hasQuit);
    const client = await service.client();
    expect((await client.request('list', {})).jobs).toEqual([]);
    client.close();
  });
});
