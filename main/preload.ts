/**
 * All that the page has of Electron: one port to its host, over the channels of the contract. Runs sandboxed, before
 * the page's own script. It hands on and decides nothing: who may ask what is checked by the main process.
 */
import { contextBridge, ipcRenderer } from 'electron';
import type { HostPort } from '../app/contract/host-port.ts';
import { hostChannels, hostPortName } from '../app/contract/host-port.ts';

const port: HostPort = {
  ask: (name, parameters) => ipcRenderer.invoke(hostChannels.ask, { name, parameters }),
  listen: (onMessage) => {
    ipcRenderer.on(hostChannels.message, (_, message: unknown) => onMessage(message));
    ipcRenderer.send(hostChannels.listen);
  },
};

contextBridge.exposeInMainWorld(hostPortName, port);
