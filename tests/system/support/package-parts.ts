/** The package as the tests make and read it. Electron's program may not be to be had: then a stand-in takes its place. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand } from '../../../app/devices/command.ts';

const root = resolve(import.meta.dirname, '../../..');
const electron = process.env['ELECTRON_PATH'] ?? join(root, 'node_modules/electron/dist/electron');
export const hasElectron = existsSync(electron);
/** Where it could not be compiled, the package has none either. */
export const hasDrivelist = existsSync(join(root, 'node_modules/drivelist/build/Release/drivelist.node'));

/** In Electron's program the fuses follow this mark: a version, how many there are, and one character for each. */
const fuseMark = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const fuseNames = [
  ...['runAsNode', 'enableCookieEncryption', 'enableNodeOptionsEnvironmentVariable', 'enableNodeCliInspectArguments'],
  ...['enableEmbeddedAsarIntegrityValidation', 'onlyLoadAppFromAsar', 'loadBrowserProcessSpecificV8Snapshot'],
  'grantFileProtocolExtraPrivileges',
];
/** As Electron is built: an app may do anything. */
const fusesAsBuilt = '10110001';

/** Makes a deb in `folder`, as `npm run dist` does, and returns its path. Packed fast; nothing else of it stays in memory. */
export async function makePackage(folder: string): Promise<string> {
  const parts = `${folder}/package`;
  const program = hasElectron ? electron : makeStandIn(`${folder}/electron`);
  const env = [`DISKFERRY_PACKAGE_FOLDER=${parts}`, `ELECTRON_PATH=${program}`];
  const command = [process.execPath, join(root, 'resources/package.mjs'), '-c.deb.compression=gz'];
  await runCommand('env', [...env, ...command], 'making the package');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const architecture = (await runCommand('dpkg', ['--print-architecture'], 'asking for the architecture')).trim();
  const deb = `${folder}/diskferry_${version}.deb`;
  renameSync(`${parts}/out/diskferry_${version}_${architecture}.deb`, deb);
  rmSync(parts, { recursive: true });
  return deb;
}

/** Has the fuses of the real one, so that electron-builder blows them for real, and nothing else. */
function makeStandIn(folder: string): string {
  mkdirSync(folder);
  const program = `${folder}/electron`;
  const wire = Buffer.from([1, fusesAsBuilt.length]);
  writeFileSync(program, Buffer.concat([Buffer.from(`#!/bin/sh\nexit 1\n${fuseMark}`), wire, Buffer.from(`${fusesAsBuilt}\n`)]));
  chmodSync(program, 0o755);
  return program;
}

/** The same package under another version: what it holds is the same. */
export async function withVersion(deb: string, version: string, folder: string): Promise<string> {
  const [unpacked, file] = [`${folder}/unpacked`, `${folder}/diskferry_${version}.deb`];
  await runCommand('dpkg-deb', ['-R', deb, unpacked], 'unpacking the package');
  const control = `${unpacked}/DEBIAN/control`;
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `Version: ${version}`));
  await runCommand('dpkg-deb', ['-Znone', '--build', unpacked, file], 'packing it again');
  await runCommand('rm', ['-rf', unpacked], 'removing what was unpacked');
  return file;
}

/** Of a program of Electron's. */
export function fusesIn(program: string): Record<string, boolean> {
  const bytes = readFileSync(program);
  const at = bytes.indexOf(fuseMark) + fuseMark.length;
  return Object.fromEntries(fuseNames.map((name, index) => [name, bytes[at + 2 + index] === '1'.charCodeAt(0)]));
}

interface AsarFolder {
  readonly files?: Readonly<Record<string, AsarFolder>>;
}

/** The paths of all files in an asar: its header is JSON, after four numbers of which the last is its length. */
export function filesInAsar(path: string): string[] {
  const bytes = readFileSync(path);
  const headerAt = 16;
  const header = JSON.parse(bytes.toString('utf8', headerAt, headerAt + bytes.readUInt32LE(12))) as AsarFolder;
  const walk = ({ files }: AsarFolder, place: string): string[] =>
    files === undefined ? [place] : Object.entries(files).flatMap(([name, entry]) => walk(entry, `${place}/${name}`));
  return walk(header, '');
}
