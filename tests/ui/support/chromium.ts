/** Debian's Chromium, driven by playwright-core: the browser that a technician has. */
import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const program = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Says in a test's title what is missing where it is skipped. */
export const hasChromium = existsSync(program);

const args = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ...['--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--no-first-run'],
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: program, args });
}
