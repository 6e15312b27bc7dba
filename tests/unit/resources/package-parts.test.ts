/** What the package is made of, and what making it refuses. The whole is made and installed in tests/system. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const repository = resolve(import.meta.dirname, '../../..');
const resources = join(repository, 'resources');
const hasDrivelist = existsSync(join(repository, 'node_modules/drivelist/build/Release/drivelist.node'));
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'diskferry-package-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Its output and exit code, as a module of its own. */
function evaluate(script: string, env: Readonly<Record<string, string>> = {}) {
  const parameters = ['--input-type=module', '--eval', script];
  return spawnSync(process.execPath, parameters, { cwd: folder, env: { PATH: '/usr/bin:/bin', ...env }, encoding: 'utf8' });
}

function filesBelow(place: string): string[] {
  const names = readdirSync(place, { recursive: true, encoding: 'utf8' }).map((name) => join(place, name));
  return names.filter((name) => statSync(name).isFile());
}

describe('the modules beside the programs', () => {
  beforeEach(() => {
    const { status, stderr } = evaluate(`(await import('${resources}/package/modules.mjs')).stageModules('${folder}')`);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test.each(hasDrivelist ? ['drivelist', 'node-sqlite3-wasm'] : ['node-sqlite3-wasm'])('have all that %s loads', (name) => {
    const { status, stderr } = spawnSync(process.execPath, ['-e', `require('${folder}/node_modules/${name}')`], {
      ...{ cwd: folder, env: {}, encoding: 'utf8' },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('say nothing of where they were built', () => {
    const texts = filesBelow(folder).filter((path) => !/\.(node|wasm)$/.test(path));
    expect(texts.filter((path) => readFileSync(path, 'utf8').includes(repository))).toEqual([]);
    expect(texts.filter((path) => /(akefile|\.mk|\.gypi)$/.test(path))).toEqual([]);
  });
});

describe('the libraries that the package asks for', () => {
  const needed = (): { status: number | null; stdout: string; stderr: string } =>
    evaluate(`console.log((await import('${resources}/package/libraries.mjs')).librariesFor('${folder}/root').join(', '))`);
  const program = (path: string, ...symbols: string[]) => writeFileSync(path, `\x7fELF${symbols.map((name) => `\0${name}\0`).join('')}`);

  beforeEach(() => mkdirSync(join(folder, 'root')));

  test('are the newest that a program of its own names, and none that only the builder has', () => {
    program(join(folder, 'root/one'), 'GLIBC_2.4', 'GLIBC_2.34', 'GLIBCXX_3.4.21');
    program(join(folder, 'root/two'), 'GLIBC_2.17', 'GLIBCXX_3.4.30');
    program(join(folder, 'installed'), 'GLIBC_2.99', 'GLIBCXX_3.4.99');
    symlinkSync(join(folder, 'installed'), join(folder, 'root/link'));
    symlinkSync('/nowhere/diskferry', join(folder, 'root/nothing'));
    expect(needed().stdout).toBe('libc6 (>= 2.34), libstdc++6 (>= 12)\n');
  });

  test('are not guessed', () => {
    program(join(folder, 'root/one'), 'GLIBC_2.34', 'GLIBCXX_3.4.99');
    expect(needed()).toMatchObject({ status: 1, stdout: '' });
  });
});

describe('making the package', () => {
  const clear = (place: string) =>
    evaluate(`(await import('${resources}/package/places.mjs')).clearStaged()`, { DISKFERRY_PACKAGE_FOLDER: place });

  test('removes nothing that was not made by it', () => {
    writeFileSync(join(folder, 'letter'), '');
    const { status, stderr } = clear(folder);
    expect(status).toBe(1);
    expect(stderr).toContain('holds what was not made here');
    expect(readdirSync(folder)).toEqual(['letter']);
  });

  test('starts from nothing where it was made before', () => {
    const place = join(folder, 'package');
    expect(clear(place).status).toBe(0);
    writeFileSync(join(place, 'old'), '');
    expect(clear(place).status).toBe(0);
    expect(existsSync(join(place, 'old'))).toBe(false);
  });

  test.each(['--ARCH', 'deb:ARCH'])('is refused for a machine of another kind: %s', (word) => {
    const asked = word.replace('ARCH', process.arch === 'x64' ? 'arm64' : 'x64');
    const { status, stderr } = spawnSync(process.execPath, [join(resources, 'package.mjs'), asked], { encoding: 'utf8' });
    expect(stderr).toContain('on a machine of its own kind');
    expect(status).toBe(1);
  });

  test.skipIf(!hasDpkg)('writes no field that is not given (needs dpkg-deb)', () => {
    mkdirSync(join(folder, 'usr'));
    const given = ['--name', 'n', '--version', '1', '--architecture', 'x86_64', '--maintainer', 'm', '--description', 'd'];
    const packed = ['--deb-compression', 'none', '--package', `${folder}/n.deb`, `${folder}/usr/=/usr`];
    const made = spawnSync(process.execPath, [join(resources, 'package/fpm.mjs'), '-t', 'deb', ...given, ...packed], { encoding: 'utf8' });
    expect(made.stderr).toBe('');
    const { stdout } = spawnSync('dpkg-deb', ['--field', `${folder}/n.deb`], { encoding: 'utf8' });
    expect(stdout).toContain('Package: n\n');
    expect(stdout).not.toContain('undefined');
  });
});
