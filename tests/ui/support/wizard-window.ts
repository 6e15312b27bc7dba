/**
 * The wizard as a person has it before them: the real `diskferry serve` in a real browser, against the real service.
 * Whatever the page complains of is kept, and every test looks that it was nothing: errors of scripts, and what the
 * page's policy has forbidden.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import { waitUntil } from '../../system/support/wait.ts';
import type { RunningCommand, Service } from '../../system/support/service.ts';

const axeFile = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const pictures = resolve(import.meta.dirname, '../../../build/screenshots');

export interface WindowOptions {
  readonly colours?: 'light' | 'dark';
  readonly size?: { readonly width: number; readonly height: number };
}

/** Of `serve`, of the desktop app, and of what stands in for the latter. */
const ownAddress = /^(https?|wss?):\/\/127\.0\.0\.1:|^(data|blob):|^diskferry:\/\/wizard\/|^https:\/\/wizard\.test\//;
const usualSize = { width: 1100, height: 780 };
/** The smallest window, and the same at twice the size of letters. */
const smallSizes = [
  { width: 900, height: 600 },
  { width: 450, height: 300 },
];

export class WizardWindow {
  readonly page: Page;
  readonly complaints: string[] = [];

  /** `serve` runs already where another window was opened before: `link` is a new one of it. */
  static async open(browser: Browser, link: string, options: WindowOptions = {}): Promise<WizardWindow> {
    const { colours = 'light', size = usualSize } = options;
    const context = await browser.newContext({ viewport: size, colorScheme: colours, acceptDownloads: true });
    const window = new WizardWindow(await context.newPage());
    await window.page.goto(link);
    return window;
  }

  /** A window that is open already: the desktop app's. */
  static of(page: Page): WizardWindow {
    return new WizardWindow(page);
  }

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(120_000);
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (!ownAddress.test(request.url())) this.complaints.push(`asked for ${request.url()}`);
    });
  }

  async see(title: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
  }

  async press(button: string | RegExp): Promise<void> {
    await this.page.getByRole('button', { name: button }).click();
  }

  /** A disk of the tree, by its path: each row's name begins with it. */
  row(path: string): Locator {
    return this.page.getByRole('row', { name: new RegExp(`^${path},`) }).first();
  }

  async choose(path: string): Promise<void> {
    // Also what cannot be chosen can be tried.
    await this.row(path).click({ force: true });
  }

  /**
   * Nothing that keeps people out, in either colours; nothing beyond the width of a window, however small; and a
   * picture of each.
   */
  async inspect(name: string): Promise<void> {
    expect(await this.violations(), name).toEqual([]);
    await this.picture(`${name}-light`);
    await this.page.emulateMedia({ colorScheme: 'dark' });
    await this.picture(`${name}-dark`);
    expect(await this.violations(['color-contrast']), `${name}, dark`).toEqual([]);
    await this.#inspectContrast(name);
    const size = this.page.viewportSize() ?? usualSize;
    for (const smaller of smallSizes) {
      await this.page.setViewportSize(smaller);
      await this.picture(`${name}-${smaller.width}`);
      const isWider = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
      expect(await this.page.evaluate(isWider), `${name} is wider than ${smaller.width}`).toBe(false);
    }
    await this.page.setViewportSize(size);
  }

  /** For those who have asked the system for more contrast, or chosen its own colours: twice as much as axe asks of others. */
  async #inspectContrast(name: string): Promise<void> {
    for (const colorScheme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme, contrast: 'more' });
      expect(await this.violations(['color-contrast-enhanced']), `${name}, ${colorScheme}, more contrast`).toEqual([]);
    }
    await this.page.emulateMedia({ contrast: 'no-preference', forcedColors: 'active' });
    await this.picture(`${name}-forced`);
    await this.page.emulateMedia({ forcedColors: 'none' });
  }

  async picture(name: string): Promise<void> {
    mkdirSync(pictures, { recursive: true });
    await this.page.screenshot({ path: join(pictures, `${name}.png`) });
  }

  /** Of axe-core, which runs beside the page's policy; of all rules, or of these. */
  async violations(rules?: readonly string[]): Promise<string[]> {
    await this.page.evaluate(`window.axe ?? (() => { ${readFileSync(axeFile, 'utf8')} })()`);
    const options = { preload: false, ...(rules === undefined ? {} : { runOnly: rules }) };
    const found = await this.page.evaluate<AxeResults>(`axe.run(document, ${JSON.stringify(options)})`);
    return found.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
}

/** `diskferry serve`, until the test ends. */
export class Serving {
  readonly #command: RunningCommand;

  constructor(service: Service) {
    this.#command = service.run(['serve', '--json']);
    // It runs until the scratch goes, which on a busy machine is later than a command may take.
    this.#command.end.catch(() => undefined);
  }

  async link(): Promise<string> {
    await waitUntil('serve has told its link', () => this.#command.said.stdout.includes('\n'));
    const line = this.#command.said.stdout.trim().split('\n').at(-1) ?? '';
    return (JSON.parse(line) as { url: string }).url;
  }
}
