/**
 * The page's own address, `diskferry://wizard/`: its three files and nothing else of the disk, with the policy that
 * every host gives them. A scheme of our own has an origin that can be told from any other; file:// has none.
 */
import type { Protocol } from 'electron';
import { pageAnswer, plainAnswer } from '../app/client/page-files.ts';

const scheme = 'diskferry';
const host = 'wizard';
export const pageOrigin = `${scheme}://${host}`;
export const pageUrl = `${pageOrigin}/`;

/** Before the app is ready; Electron asks for it so early. */
export function announceScheme(protocol: Protocol): void {
  protocol.registerSchemesAsPrivileged([{ scheme, privileges: { standard: true, secure: true } }]);
}

export function servePageFiles(protocol: Protocol): void {
  protocol.handle(scheme, (request) => {
    const { host: asked, pathname } = new URL(request.url);
    // The page speaks to its host by IPC: it connects to nothing.
    const isOurs = asked === host && request.method === 'GET';
    const { status, headers, body } = isOurs ? pageAnswer(pathname, []) : plainAnswer(404, 'There is no such page.');
    return new Response(body, { status, headers });
  });
}
