/**
 * What no page may do, ours or one that came instead of it: go elsewhere, open windows, embed pages, or be granted
 * anything. It may load itself anew. Holds for every page of the app from its first moment.
 */
import type { App, Session, WebContents } from 'electron';
import { pageUrl } from './page-protocol.ts';

export function denyTheRest(app: App): void {
  app.on('web-contents-created', (_, contents) => keepInPlace(contents));
}

function keepInPlace(contents: WebContents): void {
  // Of every frame, the main one too.
  contents.on('will-frame-navigate', (event) => {
    if (!event.isMainFrame || event.url !== pageUrl) event.preventDefault();
  });
  contents.on('will-navigate', (event) => {
    if (event.url !== pageUrl) event.preventDefault();
  });
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
}

export function denyPermissions(session: Session): void {
  session.setPermissionRequestHandler((_, __, answer) => answer(false));
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
}
