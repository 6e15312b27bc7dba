/**
 * Stands in for Electron where its binary is not to be had: the real, built main process runs in this Node, and its
 * windows are pages of Chromium with the real, built preload. Not modelled: an isolated world, crashes, a second
 * instance, and what the operating system shows (menus, notifications, dialogs), which are only recorded.
 */
import { EventEmitter } from 'node:events';
import Module, { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { waitUntil } from '../../system/support/wait.ts';
import type { ProtocolHandler, Surroundings, WindowOptions } from './stand-in-window.ts';
import { StandInWindow } from './stand-in-window.ts';

export const mainFile = resolve(import.meta.dirname, '../../../build/main/main.cjs');
type Loader = (name: string, ...rest: unknown[]) => unknown;
type InvokeHandler = (event: object, ...values: unknown[]) => unknown;

export class StandIn {
  readonly windows: StandInWindow[] = [];
  readonly notices: { readonly title: string; readonly body: string }[] = [];
  /** What the app has set on the session: how it answers each question for a permission. */
  readonly sessionHandlers = new Map<string, (...values: unknown[]) => unknown>();
  readonly app = new EventEmitter();
  readonly powerMonitor = new EventEmitter();
  /** What the app has asked in dialogs, and what is answered to the next one: the place of a button. */
  readonly questions: { readonly message: string; readonly detail: string }[] = [];
  nextAnswer = 0;
  /** As the app has described it. */
  menu: unknown;
  hasQuit = false;
  #protocolHandler: ProtocolHandler | undefined;
  readonly #invokeHandlers = new Map<string, InvokeHandler>();
  readonly #ipcMain = new EventEmitter();

  /** Loads the app and waits for its first window. */
  static async launch(browser: Browser): Promise<StandIn> {
    const standIn = new StandIn();
    standIn.#load(standIn.#electron(browser));
    await waitUntil('the app has a window', () => standIn.windows.length > 0);
    return standIn;
  }

  /** The app asks for `electron`, and gets this. */
  #load(electron: object): void {
    const module = Module as unknown as { _load: Loader };
    const own = module._load;
    module._load = (name, ...rest) => (name === 'electron' ? electron : own.call(Module, name, ...rest));
    const require = createRequire(import.meta.url);
    try {
      // Each start of the app is a new one.
      Reflect.deleteProperty(require.cache, mainFile);
      require(mainFile);
    } finally {
      module._load = own;
    }
  }

  #electron(browser: Browser): object {
    const { notices } = this;
    const windows = this.#surroundings(browser);
    class BrowserWindow extends StandInWindow {
      constructor(options: WindowOptions) {
        super(options, windows);
      }
    }
    class Notification extends EventEmitter {
      readonly #words: { readonly title: string; readonly body: string };
      constructor(words: { readonly title: string; readonly body: string }) {
        super();
        this.#words = words;
      }
      static isSupported(): boolean {
        return true;
      }
      show(): void {
        notices.push(this.#words);
      }
    }
    return {
      ...{ BrowserWindow, Notification, powerMonitor: this.powerMonitor },
      app: this.#appOf(),
      ipcMain: this.#ipcOf(),
      dialog: {
        showMessageBox: (_: StandInWindow, question: StandIn['questions'][number]) => {
          this.questions.push(question);
          return Promise.resolve({ response: this.nextAnswer });
        },
      },
      Menu: { setApplicationMenu: (menu: unknown) => (this.menu = menu), buildFromTemplate: (template: unknown) => template },
      protocol: {
        registerSchemesAsPrivileged: () => undefined,
        handle: (_: string, handler: ProtocolHandler) => (this.#protocolHandler = handler),
      },
      session: { defaultSession: this.#sessionOf() },
    };
  }

  #surroundings(browser: Browser): Surroundings {
    return {
      browser,
      handlerOf: () => this.#protocolHandler,
      receive: (kind, channel, event, values) => this.receive(kind, channel, event, values),
      created: (contents, window) => {
        this.windows.push(window);
        this.app.emit('web-contents-created', {}, contents);
      },
      gone: (window) => {
        this.windows.splice(this.windows.indexOf(window), 1);
        if (this.windows.length === 0) this.app.emit('window-all-closed');
      },
    };
  }

  #appOf(): object {
    return Object.assign(this.app, {
      requestSingleInstanceLock: () => true,
      enableSandbox: () => undefined,
      whenReady: () => Promise.resolve(),
      quit: () => {
        if (this.hasQuit) return;
        this.hasQuit = true;
        this.app.emit('will-quit');
      },
    });
  }

  #ipcOf(): object {
    return Object.assign(this.#ipcMain, {
      handle: (channel: string, handler: InvokeHandler) => {
        if (this.#invokeHandlers.has(channel)) throw new Error(`a second handler for ${channel}`);
        this.#invokeHandlers.set(channel, handler);
      },
      removeHandler: (channel: string) => this.#invokeHandlers.delete(channel),
    });
  }

  #sessionOf(): object {
    const names = ['setPermissionRequestHandler', 'setPermissionCheckHandler', 'setDevicePermissionHandler'];
    const set = (name: string) => (handler: (...values: unknown[]) => unknown) => this.sessionHandlers.set(name, handler);
    return Object.fromEntries(names.map((name) => [name, set(name)]));
  }

  /** As Electron hands on a message of a page; also for those that no page of ours would send. */
  async receive(kind: string, channel: string, event: object, values: unknown[]): Promise<unknown> {
    if (kind === 'send') {
      this.#ipcMain.emit(channel, event, ...values);
      return {};
    }
    const handler = this.#invokeHandlers.get(channel);
    if (handler === undefined) return { error: `No handler registered for '${channel}'` };
    try {
      const value: unknown = structuredClone(await handler(event, ...values));
      await this.windows[0]?.webContents.drained();
      return { value };
    } catch (error) {
      return { error: String(error) };
    }
  }

  async close(): Promise<void> {
    for (const window of [...this.windows]) await window.close();
    (this.app as unknown as { quit: () => void }).quit();
  }
}
