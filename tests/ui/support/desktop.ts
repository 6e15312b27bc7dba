/**
 * The desktop app for tests that use nothing but its window: the real Electron where its program is there (ELECTRON_PATH,
 * or the one that the package `electron` has fetched), else its stand-in. Both run the built main process and preload,
 * and find the service at `DISKFERRY_SOCKET`.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser, ElectronApplication, Page } from 'playwright-core';
import { _electron } from 'playwright-core';
import { mainFile, StandIn } from '../electron/stand-in.ts';

const fetched = resolve(import.meta.dirname, '../../../node_modules/electron/dist/electron');
const program = process.env['ELECTRON_PATH'] ?? fetched;
export const hasElectron = existsSync(program);

export interface Desktop {
  /** Of the window that is open. */
  page(): Promise<Page>;
  /** As its title bar does. */
  closeWindow(): Promise<void>;
  /** As who starts the app once more does. */
  startAgain(): Promise<void>;
  close(): Promise<void>;
}

export function launchDesktop(browser: Browser, socketPath: string): Promise<Desktop> {
  return hasElectron ? launchElectron(socketPath) : launchStandIn(browser, socketPath);
}

async function launchElectron(socketPath: string): Promise<Desktop> {
  // Chromium does not run as root with its sandbox.
  const args = [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), mainFile];
  const env = { ...process.env, DISKFERRY_SOCKET: socketPath };
  const electron: ElectronApplication = await _electron.launch({ executablePath: program, args, env });
  const page = async (): Promise<Page> => electron.windows()[0] ?? electron.firstWindow();
  return {
    page,
    closeWindow: async () => (await page()).close(),
    startAgain: () => electron.evaluate(({ app }) => void app.emit('second-instance')),
    close: () => electron.close(),
  };
}

async function launchStandIn(browser: Browser, socketPath: string): Promise<Desktop> {
  process.env['DISKFERRY_SOCKET'] = socketPath;
  const standIn = await StandIn.launch(browser);
  const open = (): StandIn['windows'][number] => {
    const [window] = standIn.windows;
    if (window === undefined) throw new Error('the app has no window');
    return window;
  };
  return {
    page: () => open().page,
    closeWindow: () => open().close(),
    startAgain: () => {
      standIn.app.emit('second-instance');
      return open().page.then(() => undefined);
    },
    close: async () => {
      await standIn.close();
      delete process.env['DISKFERRY_SOCKET'];
    },
  };
}
