/**
 * Chromium for the tests of the wizard: one for each file of tests; each window has a context of its own, so that
 * nothing is left of the one before.
 */
import type { Browser } from 'playwright-core';
import { afterAll } from 'vitest';
import { launchChromium } from './chromium.ts';

export { hasChromium } from './chromium.ts';

export function useBrowser(): () => Promise<Browser> {
  let browser: Promise<Browser> | undefined;
  afterAll(async () => {
    await (await browser)?.close();
  });
  return () => (browser ??= launchChromium());
}
