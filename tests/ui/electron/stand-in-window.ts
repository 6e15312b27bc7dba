/**
 * `BrowserWindow` and its `webContents`, as pages of Chromium. The app's own scheme is not to be had there, so that
 * its pages come from an address that stands for it, filled by the app's own protocol handler.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { callName, preloadWorld, tellName } from './preload-world.ts';

const schemeOrigin = 'diskferry://wizard';
/** As trustworthy as the app's own scheme is. */
const standInOrigin = 'https://wizard.test';

export type ProtocolHandler = (request: Request) => Response | Promise<Response>;

/** What windows need of the rest of the app. */
export interface Surroundings {
  readonly browser: Browser;
  readonly handlerOf: () => ProtocolHandler | undefined;
  /** A message of the page; returns what the page's promise becomes. */
  readonly receive: (kind: string, channel: string, event: object, values: unknown[]) => Promise<unknown>;
  readonly created: (contents: StandInContents, window: StandInWindow) => void;
  readonly gone: (window: StandInWindow) => void;
}

export interface WindowOptions {
  readonly width?: number;
  readonly height?: number;
  readonly webPreferences?: Readonly<Record<string, unknown>>;
}

export class StandInContents extends EventEmitter {
  readonly mainFrame = { url: '', origin: '' };
  openHandler: ((details: { url: string }) => { action: string }) | undefined;
  #page: Promise<Page>;
  #telling: Promise<unknown> = Promise.resolve();

  constructor(page: Promise<Page>) {
    super();
    this.#page = page;
  }

  /** In the order of the calls. */
  send(channel: string, ...values: unknown[]): void {
    const message = [channel, structuredClone(values)];
    this.#telling = this.#telling.then(async () => {
      const page = await this.#page;
      // A page that closes meanwhile hears nothing, as in Electron.
      await page
        .evaluate(`window.${tellName}?.(...${JSON.stringify(message)})`)
        .catch(() => undefined);
    });
  }

  /** A reply never overtakes what was sent before it. */
  async drained(): Promise<void> {
    await this.#telling;
  }

  isDestroyed(): boolean {
    return false;
  }

  reload(): void {
    void this.#page.then((page) => page.reload());
  }

  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.openHandler = handler;
  }
}

export class StandInWindow extends EventEmitter {
  readonly options: WindowOptions;
  readonly webContents: StandInContents;
  readonly page: Promise<Page>;
  readonly #surroundings: Surroundings;
  #isGone = false;
  /** From then on it can be asked for nothing any more. */
  #isDestroyed = false;

  constructor(options: WindowOptions, surroundings: Surroundings) {
    super();
    this.options = options;
    this.#surroundings = surroundings;
    const { sandbox, contextIsolation, nodeIntegration } = options.webPreferences ?? {};
    if (sandbox !== true || contextIsolation !== true || nodeIntegration !== false)
      throw new Error('the stand-in runs only sandboxed, isolated pages');
    this.page = this.#makePage();
    this.webContents = new StandInContents(this.page);
    surroundings.created(this.webContents, this);
  }

  async #makePage(): Promise<Page> {
    const { width = 800, height = 600, webPreferences } = this.options;
    const context = await this.#surroundings.browser.newContext({ viewport: { width, height } });
    const page = await context.newPage();
    await page.route(`${standInOrigin}/**`, async (route) => {
      const url = route.request().url().replace(standInOrigin, schemeOrigin);
      const answer = await this.#surroundings.handlerOf()?.(new Request(url));
      if (answer === undefined) return route.abort();
      return route.fulfill({
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: await answer.text(),
      });
    });
    await page.exposeBinding(callName, async ({ frame }, kind: string, channel: string, values: unknown[]) => {
      const { mainFrame } = this.webContents;
      const isMain = frame === page.mainFrame();
      const senderFrame = isMain ? mainFrame : { url: frame.url(), origin: new URL(frame.url()).origin };
      return this.#surroundings.receive(kind, channel, { sender: this.webContents, senderFrame }, values);
    });
    const preload = String(webPreferences?.['preload']);
    await page.addInitScript({ content: preloadWorld(readFileSync(preload, 'utf8')) });
    page.on('close', () => this.#closed());
    return page;
  }

  async loadURL(url: string): Promise<void> {
    const page = await this.page;
    Object.assign(this.webContents.mainFrame, { url, origin: new URL(url).href.replace(/\/$/, '') });
    await page.goto(url.replace(schemeOrigin, standInOrigin));
    this.emit('ready-to-show');
  }

  async close(): Promise<void> {
    this.#isDestroyed = true;
    await (await this.page).context().close();
    this.#closed();
  }

  #closed(): void {
    if (this.#isGone) return;
    this.#isGone = this.#isDestroyed = true;
    this.emit('closed');
    this.#surroundings.gone(this);
  }

  isDestroyed(): boolean {
    return this.#isDestroyed;
  }

  isFocused(): boolean {
    return !this.#isDestroyed;
  }

  isMinimized(): boolean {
    return false;
  }

  restore(): void {}
  show(): void {}
  focus(): void {}
}
