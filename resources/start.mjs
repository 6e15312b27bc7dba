/**
 * `npm start`: sets up, then opens the wizard: in its own window where Electron's program and a display are there,
 * else in a browser, saying why. Uses only what Node itself ships.
 *
 * It starts no service: the wizard says what to do where none runs. Ends as what it has started ends.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { say } from './setup/step.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const electron = process.env.ELECTRON_PATH ?? join(root, 'node_modules/electron/dist/electron');

/** Undefined where there can be a window. */
function whyNoWindow() {
  if (!existsSync(electron)) return "Electron's program is not here";
  if (process.env.DISPLAY === undefined && process.env.WAYLAND_DISPLAY === undefined) return 'there is no display';
  // Chromium refuses to run as root with its sandbox, and without it we refuse.
  return process.getuid() === 0 ? 'no window runs as root' : undefined;
}

function start() {
  const why = whyNoWindow();
  if (why !== undefined) say(`${why}: the wizard is shown in a browser`);
  const [program, ...args] =
    why === undefined
      ? [electron, join(root, 'build/main/main.cjs')]
      : [process.execPath, join(root, 'build/app/cli/main.js'), 'serve', ...process.argv.slice(2)];
  const wizard = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => wizard.kill(signal));
  wizard.once('exit', (exitCode) => {
    process.exitCode = exitCode ?? 1;
  });
}

const setUp = spawnSync(process.execPath, [join(root, 'resources/setup.mjs')], { stdio: 'inherit' });
if (setUp.status === 0) start();
else process.exitCode = setUp.status ?? 1;
