/**
 * The desktop app's entry: one instance, one window, and the page in it. It has the rights of the user and opens no
 * disk; what there is to do, the service does. Closing the window touches no move.
 */
import { app, BrowserWindow, dialog, ipcMain, Menu, Notification, powerMonitor, protocol, session } from 'electron';
import { join } from 'node:path';
import { present } from '../app/base/error.ts';
import { isOnBattery } from '../app/base/power-supply.ts';
import { setVariable } from '../app/base/set-variable.ts';
import { defaultSocketPath } from '../app/contract/service.ts';
import { appMenu } from './app-menu.ts';
import type { Notice } from './job-notices.ts';
import { JobWatch } from './job-watch.ts';
import { PageHost } from './page-host.ts';
import { announceScheme, pageUrl, servePageFiles } from './page-protocol.ts';
import { PageRevival } from './page-revival.ts';
import { PowerWatch } from './power-watch.ts';
import { denyPermissions, denyTheRest } from './rules.ts';
import { windowOptions } from './window-options.ts';

const socketPath = setVariable('DISKFERRY_SOCKET') ?? defaultSocketPath;
let window: BrowserWindow | undefined;
/** From the app's start on. */
let power: PowerWatch | undefined;

function show(): void {
  if (window === undefined) {
    openWindow();
    return;
  }
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}

function openWindow(): void {
  const opened = new BrowserWindow(windowOptions(join(__dirname, 'preload.cjs')));
  window = opened;
  opened.once('ready-to-show', () => opened.show());
  opened.once('closed', () => (window = undefined));
  new PageHost({ ipcMain, window: opened, socketPath, power: present(power, 'the watch of the power') });
  const page = new PageRevival({
    load: () => opened.loadURL(pageUrl),
    isClosed: () => opened.isDestroyed(),
    ask: async (question) => {
      // It may never have been ready.
      opened.show();
      return (await dialog.showMessageBox(opened, question)).response;
    },
    close: () => opened.close(),
  });
  opened.webContents.on('render-process-gone', (_, { reason }) => page.failed(reason));
  page.load();
}

/** Shown where nobody looks at the window anyway, or where that may not be enough. */
function notify({ title, body, isUrgent = false }: Notice): void {
  if ((window?.isFocused() === true && !isUrgent) || !Notification.isSupported()) return;
  const notification = new Notification({ title, body });
  notification.on('click', show);
  notification.show();
}

function run(): void {
  servePageFiles(protocol);
  denyPermissions(session.defaultSession);
  Menu.setApplicationMenu(Menu.buildFromTemplate([...appMenu]));
  const watch = new JobWatch({
    socketPath,
    notify,
    onIdle: () => {
      if (window === undefined) app.quit();
    },
  });
  const supply = new PowerWatch({ monitor: powerMonitor, isOnBattery, isMoving: () => !watch.isIdle, notify });
  power = supply;
  app.on('second-instance', show);
  app.on('window-all-closed', () => {
    if (watch.isIdle) app.quit();
  });
  app.once('will-quit', () => {
    watch.close();
    supply.close();
  });
  openWindow();
}

if (app.requestSingleInstanceLock()) {
  announceScheme(protocol);
  denyTheRest(app);
  app.enableSandbox();
  void app.whenReady().then(run);
} else {
  app.quit();
}
