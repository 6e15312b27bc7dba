/**
 * `npm run demo`: sets up, then runs `diskferry demo` with the arguments given; as root, which sudo is asked
 * for when it is not there. Uses only what Node itself ships.
 *
 * Ends as the demo ends: a signal that comes here is passed on, and the demo's clean-up is waited for.
 */
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasProgram } from './setup/packages.mjs';
import { say } from './setup/step.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** From app/contract/exit-codes.ts, which may not be built yet. */
const notAuthorised = 6;

function setUp() {
  return spawnSync(process.execPath, [join(root, 'resources/setup.mjs')], { stdio: 'inherit' }).status ?? 1;
}

/** sudo resets the environment: the same Node and the same programs are to be found below it. */
function asRoot(command) {
  if (process.getuid() === 0) return command;
  say('sudo may ask for your password: the demo makes loop devices and mounts a volume, which needs root');
  const kept = ['PATH', 'TMPDIR']
    .filter((name) => name in process.env)
    .map((name) => `${name}=${process.env[name]}`);
  return ['sudo', 'env', ...kept, ...command];
}

function runDemo() {
  const [program, ...args] = asRoot([
    process.execPath,
    join(root, 'build/app/cli/main.js'),
    'demo',
    ...process.argv.slice(2),
  ]);
  const demo = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal));
  demo.once('exit', (exitCode) => {
    process.exitCode = exitCode ?? 1;
  });
}

const setUpExitCode = setUp();
if (setUpExitCode !== 0) {
  process.exitCode = setUpExitCode;
} else if (process.getuid() !== 0 && !hasProgram('sudo')) {
  say(
    'the demo makes loop devices and mounts a volume, which needs root, and there is no sudo: run it as root',
  );
  process.exitCode = notAuthorised;
} else {
  runDemo();
}
