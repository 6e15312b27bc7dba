/**
 * Debian's Chromium for the tests of the wizard, driven by playwright-core: the browser that a technician has. One
 * for each file of tests; each window has a context of its own, so that nothing is left of the one before.
 */
import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll } from 'vitest';

const program = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Says in a test's title what is missing where it is skipped. */
export const hasChromium = existsSync(program);

const args = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ...['--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--no-first-run'],
];

export function useBrowser(): () => Promise<Browser> {
  let browser: Promise<Browser> | undefined;
  afterAll(async () => {
    await (await browser)?.close();
  });
  return () => (browser ??= chromium.launch({ executablePath: program, args }));
}
