/**
 * What the package does before its files go and after, as the scripts that dpkg runs, in a folder that stands for /.
 * How dpkg runs them is tested in tests/system.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const scripts = resolve(import.meta.dirname, '../../../resources/package');
const places = /\/(proc|opt|run\/(diskferry|systemd)|dev\/shm\/diskferry|var\/lib\/diskferry|usr\/lib\/diskferry)\b/g;
/** No process has such a number. */
const processId = 99_999_999;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'diskferry-scripts-'));
  for (const name of ['proc/self/ns', 'usr/lib', 'var/lib/diskferry/jobs/one', 'bin']) mkdirSync(join(root, name), { recursive: true });
  symlinkSync('pid:[1]', join(root, 'proc/self/ns/pid'));
  writeFileSync(join(root, 'proc/self/mountinfo'), '22 1 8:1 / / rw - ext4 /dev/sda1 rw\n');
  // Nothing of this machine is asked.
  for (const name of ['deb-systemd-helper', 'systemctl']) {
    writeFileSync(join(root, 'bin', name), '#!/bin/sh\n');
    chmodSync(join(root, 'bin', name), 0o755);
  }
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function runScript(name: string, ...parameters: string[]) {
  const text = readFileSync(join(scripts, name), 'utf8').replace(places, (place) => `${root}${place}`);
  const env = { PATH: `${root}/bin:/usr/bin:/bin` };
  const { status, stderr } = spawnSync('sh', ['-c', text, 'sh', ...parameters], { env, encoding: 'utf8' });
  return { status, stderr };
}

/** @param folder where the kernel sees the programs; `exe` as it names its file */
function runMove(folder: string, exe = `${folder}/node`, namespace = 'pid:[1]'): void {
  const process = join(root, 'proc', String(processId));
  mkdirSync(join(process, 'ns'), { recursive: true });
  symlinkSync(exe, join(process, 'exe'));
  symlinkSync(namespace, join(process, 'ns/pid'));
  writeFileSync(join(process, 'cmdline'), `${exe}\0${folder}/build/app/migration/job-process.js\0`);
}

function installAt(folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'node'), '');
  return folder;
}

describe('an upgrade', () => {
  test('waits for a move, also where the programs lie elsewhere by a link', () => {
    const folder = installAt(join(root, 'srv/diskferry'));
    symlinkSync(folder, join(root, 'usr/lib/diskferry'));
    runMove(folder);
    const { status, stderr } = runScript('prerm.sh', 'upgrade', '2');
    expect(stderr).toContain('a move runs');
    expect(status).toBe(1);
  });

  test.each([
    ['waits for a move whose Node was replaced', 'pid:[1]', 1],
    ['does not wait for a move in a container that has the package as well', 'pid:[2]', 0],
  ])('%s', (_, namespace, status) => {
    const folder = installAt(join(root, 'usr/lib/diskferry'));
    runMove(folder, `${folder}/node (deleted)`, namespace);
    expect(runScript('prerm.sh', 'upgrade', '2').status).toBe(status);
  });

  test('is not allowed by the new package when the installed one has refused', () => {
    installAt(join(root, 'usr/lib/diskferry'));
    expect(runScript('prerm.sh', 'upgrade', '2').status).toBe(0);
    expect(runScript('prerm.sh', 'failed-upgrade', '2').status).toBe(1);
  });
});

describe('a purge', () => {
  const state = () => join(root, 'var/lib/diskferry');

  test('removes the reports', () => {
    expect(runScript('postrm.sh', 'purge').status).toBe(0);
    expect(existsSync(state())).toBe(false);
  });

  test('keeps the record of a move', () => {
    writeFileSync(join(state(), 'jobs/one/job.json'), '');
    expect(runScript('postrm.sh', 'purge').status).toBe(0);
    expect(existsSync(join(state(), 'jobs/one/job.json'))).toBe(true);
  });

  test.each(['', '/jobs/one'])('takes nothing from a file system that is mounted at the state%s', (below) => {
    writeFileSync(join(root, 'proc/self/mountinfo'), `30 22 8:2 / ${state()}${below} rw - ext4 /dev/sdb1 rw\n`);
    const { status, stderr } = runScript('postrm.sh', 'purge');
    expect(status).toBe(0);
    expect(stderr).toContain('what is there stays');
    expect(existsSync(join(state(), 'jobs/one'))).toBe(true);
  });
});
