/**
 * What a page of the wizard has of its host: the preload's, or the WebSocket's. Whatever crosses here is checked on
 * both sides (bridge.ts); this file stands alone, so that the preload stays small.
 */
import type { BridgeRequestName, startServiceRequest } from './bridge.ts';

export interface HostPort {
  ask(name: BridgeRequestName | typeof startServiceRequest, parameters: unknown): Promise<unknown>;
  /** At most one listener. From now on the host tells; what was told before is kept for it. */
  listen(onMessage: (message: unknown) => void): void;
}

/** The name of the preload's port in the page. */
export const hostPortName = 'diskferryHost';

/** Electron's channels, all there are. */
export const hostChannels = {
  /** Page to host, answered. */
  ask: 'diskferry:ask',
  /** Page to host: it listens now. */
  listen: 'diskferry:listen',
  /** Host to page. */
  message: 'diskferry:message',
} as const;
