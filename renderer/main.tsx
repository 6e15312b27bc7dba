/** The page's entry: finds its host, makes the wizard, and shows it. */
import './schemas-without-eval.ts';
import { createRoot } from 'react-dom/client';
import { present } from '../app/base/error.ts';
import type { HostPort } from '../app/contract/host-port.ts';
import { hostPortName } from '../app/contract/host-port.ts';
import { App } from './app.tsx';
import { Bridge } from './bridge/bridge.ts';
import { WebSocketPort } from './bridge/web-socket-port.ts';
import { PageFailure } from './components/page-failure.tsx';
import { WizardContext } from './components/wizard-context.ts';
import { bringOwnFont } from './fonts/own-font.ts';
import { Wizard } from './state/wizard.ts';

const watchEveryMs = 5000;

/** Electron's preload has put one there; a browser has the WebSocket. */
function hostPort(): HostPort {
  const given = (window as unknown as Readonly<Record<string, HostPort | undefined>>)[hostPortName];
  if (given !== undefined) return given;
  return new WebSocketPort({
    connect: (url) => new WebSocket(url),
    location,
    history,
    storage: sessionStorage,
    later: (act, delayMs) => void setTimeout(act, delayMs),
  });
}

const wizard = new Wizard(new Bridge(hostPort()));
const keepWatch = (): void => {
  if (!document.hidden) void wizard.keepWatch();
};
setInterval(keepWatch, watchEveryMs);
document.addEventListener('visibilitychange', keepWatch);

await bringOwnFont();
createRoot(present(document.getElementById('wizard'), 'the page has a place for the wizard')).render(
  <PageFailure loadAgain={() => location.reload()}>
    <WizardContext value={wizard}>
      <App />
    </WizardContext>
  </PageFailure>,
);
