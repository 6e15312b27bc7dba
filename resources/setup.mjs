/**
 * Makes a fresh clone ready: checks Node, installs what the system lacks, installs npm packages, builds. Does
 * nothing and says nothing where all is there, so every script of package.json begins with it. Uses only what
 * Node itself ships.
 *
 * node resources/setup.mjs [--for run|tests|bench]
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { packagedNode } from './package/node.mjs';
import { installMissing } from './setup/install.mjs';
import { installModules } from './setup/modules.mjs';
import { requirementsFor } from './setup/packages.mjs';
import { runScript, SetupError } from './setup/step.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node ${process.versions.node} is too old: 20.19 or newer is needed`);
}

function checkSystem() {
  if (process.platform === 'linux') return;
  throw new SetupError(`Diskferry runs on Linux, not on ${process.platform}`);
}

function purpose() {
  const { values } = parseArgs({ options: { for: { type: 'string', default: 'run' } } });
  if (Object.hasOwn(requirementsFor, values.for)) return values.for;
  throw new SetupError(`--for ${values.for}: must be one of ${Object.keys(requirementsFor).join(', ')}`);
}

runScript(() => {
  checkSystem();
  checkNode();
  installMissing(requirementsFor[purpose()]);
  installModules(root);
  // Not while tests run: they need nothing of the network that is not here by now.
  if (purpose() === 'tests') packagedNode();
  build(root);
});
