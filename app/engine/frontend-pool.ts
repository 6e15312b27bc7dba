/**
 * How much of the engine's pool a frontend reserves. Those that transfer straight to and from the buffers of the
 * requests need none of their own.
 */
import { connectionsMax, nbdPoolBytes } from '../frontends/nbd/connection.ts';
import type { FrontendChoice } from './messages.ts';

/** Beside the buffers of the requests. */
export function frontendPoolBytes(choice: FrontendChoice): number {
  if (choice.kind === 'nbd') return nbdPoolBytes(choice.socketFds.length);
  return choice.kind === 'nbd-socket' ? nbdPoolBytes(connectionsMax) : 0;
}
