/**
 * Lays out what the package will hold, from what has been built: the desktop app, and all else as it will lie below /.
 * Starts from nothing each time, so that nothing of an older build comes along.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isNeeded, stageModules } from './modules.mjs';
import { packagedNode } from './node.mjs';
import { notices } from './notices.mjs';
import { appFolder, clearStaged, programFolder, repository, staged } from './places.mjs';

/** Of the build; what else lies there is of use to nobody but developers. */
const built = ['app', 'native', 'renderer'];

function below(path) {
  return join(staged.root, path);
}

function write(path, text, mode = 0o644) {
  mkdirSync(dirname(below(path)), { recursive: true });
  writeFileSync(below(path), text);
  chmodSync(below(path), mode);
}

function copy(from, to) {
  mkdirSync(dirname(below(to)), { recursive: true });
  copyFileSync(join(repository, from), below(to));
  chmodSync(below(to), 0o644);
}

/** @param {{ name: string, version: string, description: string, license: string }} info */
function stageApp({ name, version, description, license }) {
  mkdirSync(staged.app, { recursive: true });
  for (const part of ['main', 'renderer'])
    cpSync(join(repository, 'build', part), join(staged.app, 'build', part), { recursive: true, filter: isNeeded });
  // Its address: electron-builder wants one, and this is where people who have the package find it described.
  const homepage = 'file:///usr/share/doc/diskferry/README.md';
  const desktop = { productName: 'Diskferry', desktopName: 'diskferry-wizard.desktop' };
  const app = { name, ...desktop, version, description, license, homepage, main: 'build/main/main.cjs' };
  writeFileSync(join(staged.app, 'package.json'), JSON.stringify(app));
}

function stagePrograms(node) {
  const folder = below(programFolder);
  for (const part of built)
    cpSync(join(repository, 'build', part), join(folder, 'build', part), { recursive: true, filter: isNeeded });
  stageModules(folder);
  copyFileSync(join(node, 'bin/node'), join(folder, 'node'));
  write(`${programFolder}/package.json`, JSON.stringify({ name: 'diskferry', private: true, type: 'module' }));
}

function wrapper(program) {
  return `#!/bin/sh\nexec ${programFolder}/node ${programFolder}/build/app/${program}/main.js "$@"\n`;
}

function stageSystem() {
  write('/usr/bin/diskferry', wrapper('cli'), 0o755);
  write('/usr/sbin/diskferryd', wrapper('service'), 0o755);
  symlinkSync(`${appFolder}/diskferry-wizard`, below('/usr/bin/diskferry-wizard'));
  const unit = readFileSync(join(repository, 'resources/systemd/diskferryd.service'), 'utf8')
    .replaceAll('@NODE@', `${programFolder}/node`)
    .replaceAll('@PROGRAM@', `${programFolder}/build/app/service/main.js`);
  write('/usr/lib/systemd/system/diskferryd.service', unit);
  copy('resources/polkit/org.diskferry.policy', '/usr/share/polkit-1/actions/org.diskferry.policy');
  copy('resources/icons/diskferry.svg', '/usr/share/icons/hicolor/scalable/apps/diskferry-wizard.svg');
  copy('docs/diskferry.1', '/usr/share/man/man1/diskferry.1');
}

function stageDocuments(node) {
  const documents = '/usr/share/doc/diskferry';
  copy('README.md', `${documents}/README.md`);
  copy('CHANGELOG.md', `${documents}/CHANGELOG.md`);
  write(`${documents}/copyright`, notices(node));
}

export function stage() {
  clearStaged();
  const info = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const node = packagedNode();
  stageApp(info);
  stageSystem();
  stagePrograms(node);
  stageDocuments(node);
}
