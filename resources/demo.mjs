/**
 * `npm run demo`: sets up, then runs `diskferry demo` with the arguments given; as root, which sudo is asked
 * for when it is not there. Uses only what Node itself ships.
 */
import { ownCommand, runAsRoot, setUp } from './setup/own-program.mjs';

if (setUp()) runAsRoot(ownCommand('demo', ...process.argv.slice(2)), 'the demo makes loop devices and mounts a volume');
