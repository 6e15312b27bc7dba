/**
 * Makes a deb from the folders and files that electron-builder names, by dpkg-deb, which every Debian has. It takes the
 * place of fpm: electron-builder would fetch that, with a Ruby of its own, from where nothing may be fetched in many
 * places; and what the tests install is what people build. It knows those of fpm's options that electron-builder uses
 * and refuses all others, so that a new one cannot get lost.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { mustRun, runScript, SetupError } from '../setup/step.mjs';

/** `list`: may be given several times; `flag`: has no value; `script`: one of the package's own; `ignored`: no deb has it. */
const options = {
  '-s': { kind: 'ignored' },
  '-t': { kind: 'value', name: 'target' },
  '-d': { kind: 'list', name: 'Depends' },
  '--force': { kind: 'flag' },
  '--deb-recommends': { kind: 'list', name: 'Recommends' },
  '--deb-compression': { kind: 'value', name: 'compression' },
  '--deb-priority': { kind: 'value', name: 'Priority' },
  '--architecture': { kind: 'value', name: 'Architecture' },
  '--category': { kind: 'value', name: 'Section' },
  '--description': { kind: 'value', name: 'Description' },
  '--license': { kind: 'ignored' },
  '--maintainer': { kind: 'value', name: 'Maintainer' },
  '--name': { kind: 'value', name: 'Package' },
  '--package': { kind: 'value', name: 'file' },
  '--url': { kind: 'value', name: 'Homepage' },
  '--vendor': { kind: 'ignored' },
  '--version': { kind: 'value', name: 'Version' },
  '--after-install': { kind: 'script', name: 'postinst' },
  '--after-remove': { kind: 'script', name: 'postrm' },
  '--before-remove': { kind: 'script', name: 'prerm' },
};

/** In the order of Debian's policy. */
const fields = ['Package', 'Version', 'Section', 'Priority', 'Architecture', 'Installed-Size', 'Maintainer', 'Homepage'];
const lists = ['Depends', 'Recommends'];
/** fpm's names of compressions, as dpkg-deb has them. */
const compressions = { gz: ['-Zgzip', '-z1'], xz: ['-Zxz'], none: ['-Znone'] };

function parse(words) {
  const given = { values: {}, lists: { Depends: [], Recommends: [] }, scripts: {}, mappings: [] };
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    if (!word.startsWith('-')) {
      given.mappings.push(mapping(word));
      continue;
    }
    const option = options[word];
    if (option === undefined) throw new SetupError(`fpm.mjs: ${word} is not known here`);
    if (option.kind === 'flag') continue;
    at += 1;
    if (option.kind === 'value') given.values[option.name] = words[at];
    if (option.kind === 'list') given.lists[option.name].push(words[at]);
    if (option.kind === 'script') given.scripts[option.name] = words[at];
  }
  return given;
}

/** FROM=TO; with a slash at its end FROM stands for what is in it. */
function mapping(word) {
  const at = word.lastIndexOf('=');
  return { from: word.slice(0, at), to: word.slice(at + 1) };
}

/** Links stay links. */
function copyContents(root, { from, to }) {
  const place = join(root, to);
  mkdirSync(from.endsWith('/') ? place : dirname(place), { recursive: true });
  cpSync(from, place, { recursive: true, verbatimSymlinks: true });
}

/** Not the modes of whoever builds: everybody may read, and nobody but root may write. */
function setModes(root) {
  for (const path of treeOf(root)) {
    const status = lstatSync(path);
    if (status.isSymbolicLink()) continue;
    chmodSync(path, status.isDirectory() || (status.mode & 0o111) !== 0 ? 0o755 : 0o644);
  }
}

function treeOf(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
}

/** Debian's long description: an indented line each, and a dot for an empty one. */
function description(text) {
  const [first = '', ...rest] = text.trim().split('\n').map((line) => line.trim());
  return [`Description: ${first}`, ...rest.map((line) => ` ${line === '' ? '.' : line}`)].join('\n');
}

function control({ values, lists: lists_ }, sizeKib) {
  const known = { Priority: 'optional', ...values, 'Installed-Size': String(sizeKib) };
  const architecture = { x86_64: 'amd64', aarch64: 'arm64' }[known.Architecture] ?? known.Architecture;
  const given = { ...known, Architecture: architecture };
  const lines = fields.filter((name) => given[name] !== undefined).map((name) => `${name}: ${given[name]}`);
  const relations = lists.filter((name) => lists_[name].length > 0).map((name) => `${name}: ${lists_[name].join(', ')}`);
  return `${[...lines, ...relations, description(known.Description)].join('\n')}\n`;
}

function sizeKibOf(files) {
  return files.reduce((sum, path) => sum + Math.ceil(statSync(path).size / 1024), 0);
}

function checksums(root, files) {
  return files.map((path) => `${createHash('md5').update(readFileSync(path)).digest('hex')}  ${relative(root, path)}\n`).join('');
}

function makeDeb(given) {
  const root = mkdtempSync(join(tmpdir(), 'diskferry-deb-'));
  try {
    chmodSync(root, 0o755);
    for (const one of given.mappings) copyContents(root, one);
    setModes(root);
    const files = treeOf(root).filter((path) => lstatSync(path).isFile());
    const about = join(root, 'DEBIAN');
    mkdirSync(about);
    // dpkg-deb refuses other modes, which the builder's umask may give.
    chmodSync(about, 0o755);
    writeFileSync(join(about, 'control'), control(given, sizeKibOf(files)));
    writeFileSync(join(about, 'md5sums'), checksums(root, files));
    for (const [name, file] of Object.entries(given.scripts)) {
      copyFileSync(file, join(about, name));
      chmodSync(join(about, name), 0o755);
    }
    const compression = compressions[given.values.compression];
    if (compression === undefined) throw new SetupError(`fpm.mjs: no compression ${given.values.compression}`);
    mustRun('dpkg-deb', ['--root-owner-group', ...compression, '--build', root, given.values.file]);
  } finally {
    rmSync(root, { recursive: true });
  }
}

runScript(() => {
  const given = parse(process.argv.slice(2));
  if (given.values.target !== 'deb') throw new SetupError('fpm.mjs: makes debs only');
  makeDeb(given);
});
