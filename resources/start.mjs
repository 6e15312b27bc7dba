/**
 * `npm start`: sets up, then opens the wizard: in its own window where Electron's program and a display are there,
 * else in a browser, saying why. Uses only what Node itself ships.
 *
 * It starts no service: the wizard says what to do where none runs. With `--demo` it has one of its own, and two disks
 * made of files; as root, so always in a browser. Ends as what it has started ends.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ownCommand, root, runAsRoot, runToEnd, setUp } from './setup/own-program.mjs';
import { say } from './setup/step.mjs';

const electron = process.env.ELECTRON_PATH ?? join(root, 'node_modules/electron/dist/electron');
const args = process.argv.slice(2);

/** Undefined where there can be a window. */
function whyNoWindow() {
  if (!existsSync(electron)) return "Electron's program is not here";
  if (process.env.DISPLAY === undefined && process.env.WAYLAND_DISPLAY === undefined) return 'there is no display';
  // Chromium refuses to run as root with its sandbox, and without it we refuse.
  return process.getuid() === 0 ? 'no window runs as root' : undefined;
}

function start() {
  if (args.includes('--demo')) {
    runAsRoot(ownCommand('serve', ...args), 'the demo makes loop devices and mounts a volume');
    return;
  }
  const why = whyNoWindow();
  if (why !== undefined) say(`${why}: the wizard is shown in a browser`);
  runToEnd(why === undefined ? [electron, join(root, 'build/main/main.cjs')] : ownCommand('serve', ...args));
}

if (setUp()) start();
