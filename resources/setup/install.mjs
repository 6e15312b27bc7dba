/**
 * Installs missing system packages with apt-get, with sudo where needed; on systems without apt it names what
 * is missing instead, because package names differ and guessing would install something else.
 */
import { hasProgram, missingOf, packagesOf } from './packages.mjs';
import { mustRun, run, SetupError, say } from './step.mjs';

/** One line per package: its name, and what it is for. */
function describe(requirements) {
  return packagesOf(requirements).map((name) => {
    const ofPackage = requirements.filter((requirement) => requirement.package === name);
    const reasons = [...new Set(ofPackage.map(({ why }) => why))].join(', ');
    return `  ${name}: ${ofPackage.map(({ needs }) => needs).join(', ')} (${reasons})`;
  });
}

/** apt-get as root: directly, or by sudo with its reason said before it asks for a password. */
function aptGet() {
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  if (process.getuid() === 0) return command;
  if (!hasProgram('sudo')) throw new SetupError('installing packages needs root and there is no sudo');
  say('sudo may ask for your password: installing system packages needs root');
  return ['sudo', ...command];
}

/** A machine that has never fetched apt's lists, or whose lists are old, gets them once. */
function install(packages) {
  const [program, ...args] = aptGet();
  const installArgs = [...args, 'install', '--yes', '--no-install-recommends', ...packages];
  if (run(program, installArgs).succeeded) return;
  mustRun(program, [...args, 'update']);
  mustRun(program, installArgs);
}

/** Each by itself: apt-get installs nothing at all when one of several is unknown to it. */
function installOptional(requirements) {
  if (requirements.length === 0 || !hasProgram('apt-get')) return;
  say(['installing system packages that not every system has:', ...describe(requirements)].join('\n'));
  const [program, ...args] = aptGet();
  for (const name of packagesOf(requirements)) {
    const { succeeded } = run(program, [...args, 'install', '--yes', '--no-install-recommends', name]);
    if (!succeeded) say(`${name}: apt-get could not install it; what needs it will be skipped`);
  }
}

export function installMissing(requirements) {
  const missing = missingOf(requirements);
  installRequired(missing.filter(({ optional }) => optional !== true));
  installOptional(missing.filter(({ optional }) => optional === true));
}

function installRequired(missing) {
  if (missing.length === 0) return;

  if (!hasProgram('apt-get')) {
    const lines = ["this system has no apt-get; please install (names are Debian's):", ...describe(missing)];
    throw new SetupError(lines.join('\n'));
  }
  say(['installing system packages:', ...describe(missing)].join('\n'));
  install(packagesOf(missing));

  const stillMissing = missingOf(missing);
  if (stillMissing.length > 0) {
    throw new SetupError(['still missing after the installation:', ...describe(stillMissing)].join('\n'));
  }
}
