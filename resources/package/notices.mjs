/** The licences of all that the package holds in one text, as they ask for: ours, Node's, and those of the libraries. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { appFolder, repository } from './places.mjs';

const licenceFile = /^(licen[cs]e|notice)/i;

/** What package.json names to run, and all that these need: the lock file leaves out what only developers need. */
function* libraries() {
  const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8'));
  for (const [path, { dev, version, license }] of Object.entries(packages)) {
    const folder = join(repository, path);
    if (path === '' || dev === true || !existsSync(folder)) continue;
    const name = path.replace(/^.*node_modules\//, '');
    const files = readdirSync(folder).filter((file) => licenceFile.test(file));
    yield { title: `${name} ${version} (${license})`, files: files.map((file) => join(folder, file)) };
  }
}

function section(title, files) {
  const texts = files.map((file) => readFileSync(file, 'utf8').trim());
  return [title, '='.repeat(title.length), ...texts].join('\n\n');
}

export function notices(node) {
  const parts = [
    section('Diskferry', [join(repository, 'LICENSE')]),
    section('Node.js, which runs it', [join(node, 'LICENSE')]),
    section('Inter, the letters of the wizard', [join(repository, 'renderer/fonts/LICENSE')]),
    ...[...libraries()].map(({ title, files }) => section(title, files)),
  ];
  return `${parts.join('\n\n\n')}\n\n\nElectron and Chromium: see ${appFolder}/LICENSE*.\n`;
}
