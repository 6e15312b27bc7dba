/**
 * Loads a page anew whose process has gone: nobody sits before an empty window while a move runs. At once, but for one
 * that goes again and again, which has to wait between.
 */
import type { WebContents } from 'electron';

const pauseMs = 5000;

export function revivePage(contents: WebContents): void {
  let lastMs = 0;
  contents.on('render-process-gone', (_, { reason }) => {
    if (reason === 'clean-exit') return;
    const delayMs = Math.max(0, lastMs + pauseMs - Date.now());
    lastMs = Date.now() + delayMs;
    setTimeout(() => {
      if (!contents.isDestroyed()) contents.reload();
    }, delayMs);
  });
}
