/**
 * The world of a sandboxed preload, inside a Chromium page: what `require('electron')` gives there, around the text
 * of the real, built preload. It runs before any script of the page, takes the binding to the main process for
 * itself, and refuses to clone what Electron refuses. It is not isolated as Electron's is: the page shares its
 * prototypes.
 */

/** By which the page calls out; deleted before the page's own scripts run. */
export const callName = 'standInCall';
/** By which the main process calls in. */
export const tellName = 'standInTell';

export function preloadWorld(preload: string): string {
  return `(() => {
    if (window.top !== window) return;
    const call = window.${callName};
    delete window.${callName};
    const listeners = new Map();
    const ipcRenderer = {
      async invoke(channel, ...values) {
        const { error, value } = await call('invoke', channel, structuredClone(values));
        if (error !== undefined) throw new Error("Error invoking remote method '" + channel + "': " + error);
        return value;
      },
      send(channel, ...values) {
        void call('send', channel, structuredClone(values));
      },
      on(channel, listener) {
        listeners.set(channel, [...(listeners.get(channel) ?? []), listener]);
        return ipcRenderer;
      },
    };
    Object.defineProperty(window, '${tellName}', {
      value: (channel, values) => {
        for (const listener of listeners.get(channel) ?? []) listener({ sender: ipcRenderer }, ...values);
      },
    });
    const contextBridge = {
      exposeInMainWorld(name, value) {
        if (name in window) throw new Error('Cannot bind an API on top of an existing property on the window object');
        Object.defineProperty(window, name, { value: Object.freeze(value), enumerable: true });
      },
    };
    const require = (name) => {
      if (name === 'electron') return { contextBridge, ipcRenderer };
      throw new Error('module not found: ' + name);
    };
    const module = { exports: {} };
    (function (require, module, exports) {${preload}
    })(require, module, module.exports);
  })();`;
}
