/** The frontend that a job has chosen, and how much of the engine's pool it reserves. */
import type { Frontend, FrontendSetting } from '../frontends/frontend.ts';
import { FuseFrontend } from '../frontends/fuse/fuse-frontend.ts';
import { connectionsMax, nbdPoolBytes } from '../frontends/nbd/connection.ts';
import { NbdFrontend } from '../frontends/nbd/nbd-frontend.ts';
import { UblkFrontend } from '../frontends/ublk/ublk-frontend.ts';
import type { FrontendChoice } from './messages.ts';

/**
 * Beside the buffers of the requests. Those that transfer straight to and from these need none of their own.
 */
export function frontendPoolBytes(choice: FrontendChoice): number {
  if (choice.kind === 'nbd') return nbdPoolBytes(choice.socketFds.length);
  return choice.kind === 'nbd-socket' ? nbdPoolBytes(connectionsMax) : 0;
}

export function makeFrontend(choice: FrontendChoice, setting: FrontendSetting): Frontend {
  switch (choice.kind) {
    case 'fuse':
      return new FuseFrontend(setting, choice.fuseFd);
    case 'ublk':
      return new UblkFrontend(setting, choice.characterFd, choice.numberForm);
    case 'nbd':
    case 'nbd-socket':
      return new NbdFrontend(setting, choice);
  }
}
