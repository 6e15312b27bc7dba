/**
 * The host of the page in one window: takes its questions, and tells it what the service tells. Every message is
 * looked at twice: it must come from the page itself, in the main frame of this window, and it must be one of the
 * contract's. A page that is loaded anew gets a new connection to the service.
 */
import type { BrowserWindow, IpcMain, IpcMainEvent, IpcMainInvokeEvent } from 'electron';
import { ServiceBridge } from '../app/client/service-bridge.ts';
import { DiskferryError } from '../app/base/error.ts';
import type { BridgeAnswer, BridgeMessage } from '../app/contract/bridge.ts';
import { refusalOf } from '../app/contract/bridge.ts';
import { hostChannels } from '../app/contract/host-port.ts';
import { pageOrigin } from './page-protocol.ts';
import type { PowerWatch } from './power-watch.ts';

export interface PageHostOptions {
  readonly ipcMain: IpcMain;
  readonly window: BrowserWindow;
  readonly socketPath: string;
  readonly power: Pick<PowerWatch, 'follow'>;
}

export class PageHost {
  readonly #options: PageHostOptions;
  #bridge: ServiceBridge | undefined;
  #stopFollowing: (() => void) | undefined;

  constructor(options: PageHostOptions) {
    this.#options = options;
    const { ipcMain, window } = options;
    const listen = (event: IpcMainEvent): void => {
      if (this.#isFromPage(event)) this.#open();
    };
    ipcMain.handle(hostChannels.ask, (event, request: unknown) => this.#ask(event, request));
    ipcMain.on(hostChannels.listen, listen);
    window.once('closed', () => {
      ipcMain.removeHandler(hostChannels.ask);
      ipcMain.removeListener(hostChannels.listen, listen);
      this.#bridge?.close();
      this.#stopFollowing?.();
    });
  }

  #open(): void {
    const { window, socketPath, power } = this.#options;
    this.#bridge?.close();
    this.#stopFollowing?.();
    const tell = (message: BridgeMessage): void => {
      if (!window.isDestroyed()) window.webContents.send(hostChannels.message, message);
    };
    this.#bridge = new ServiceBridge({ socketPath, tell });
    this.#stopFollowing = power.follow(tell);
  }

  async #ask(event: IpcMainInvokeEvent, request: unknown): Promise<BridgeAnswer> {
    const bridge = this.#bridge;
    if (bridge !== undefined && this.#isFromPage(event)) return bridge.ask(request);
    const refusal = refusalOf(new DiskferryError('not-authorised', 'this page may not ask', { context: { action: 'none' } }));
    return { outcome: 'refused', refusal };
  }

  #isFromPage({ sender, senderFrame }: IpcMainEvent | IpcMainInvokeEvent): boolean {
    const { webContents } = this.#options.window;
    return (
      sender === webContents && senderFrame !== null && senderFrame === webContents.mainFrame && senderFrame.origin === pageOrigin
    );
  }
}
