/**
 * Runs Diskferry's own program for a script of package.json, after setting up: as root where that is needed, which
 * sudo is asked for. The script ends as the program ends: a signal that comes here is passed on, and its clean-up is
 * waited for. Uses only what Node itself ships.
 */
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from './packages.mjs';
import { say } from './step.mjs';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** From app/contract/exit-codes.ts, which may not be built yet. */
const notAuthorised = 6;

/** Returns whether all is there; says what is not, and sets the exit code. */
export function setUp() {
  const { status } = spawnSync(process.execPath, [join(root, 'resources/setup.mjs')], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = status ?? 1;
  return status === 0;
}

/** The command line of Diskferry itself. */
export function ownCommand(...args) {
  return [process.execPath, join(root, 'build/app/cli/main.js'), ...args];
}

export function runToEnd([program, ...args]) {
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('exit', (exitCode) => {
    process.exitCode = exitCode ?? 1;
  });
}

/** `why`: what it is that needs root. */
export function runAsRoot(command, why) {
  if (process.getuid() === 0) {
    runToEnd(command);
  } else if (hasProgram('sudo')) {
    say(`sudo may ask for your password: ${why}, which needs root`);
    runToEnd(['sudo', 'env', ...keptEnvironment(), ...command]);
  } else {
    say(`${why}, which needs root, and there is no sudo: run it as root`);
    process.exitCode = notAuthorised;
  }
}

/** sudo resets the environment: the same Node and the same programs are to be found below it. */
function keptEnvironment() {
  return ['PATH', 'TMPDIR'].filter((name) => name in process.env).map((name) => `${name}=${process.env[name]}`);
}
