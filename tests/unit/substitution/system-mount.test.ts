/**
 * Who mounts a volume after a crash: the system, when its table has the place. Programs of systemd's are made here, which
 * only say what they are told; the real ones are met in the guests.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mountedBySystem } from '../../../app/substitution/system-mount.ts';

const hasManager = vi.hoisted(() => ({ is: true }));
vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const existsSync = (path: string): boolean =>
    path === '/run/systemd/system' ? hasManager.is : real.existsSync(path);
  return { ...real, existsSync };
});

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-system-mount-'));
  hasManager.is = true;
  program('systemd-escape', 'echo srv.mount');
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function program(name: string, script: string): void {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> ${directory}/asked\n${script}\n`, { mode: 0o755 });
}

/** `table`: what the unit's SourcePath is. `onStart`: of the unit. */
function manager({ table = '/etc/fstab', onStart = '', job = '' } = {}): void {
  program(
    'systemctl',
    [
      'case "$*" in',
      `start*) ${onStart === '' ? ':' : onStart} ;;`,
      `*property=Job*) [ -e ${directory}/booted ] && echo Job=0 || echo "Job=${job}" ;;`,
      `*) printf 'LoadState=loaded\\nSourcePath=${table}\\nWhat=/dev/disk/by-uuid/one\\n' ;;`,
      'esac',
    ].join('\n'),
  );
}

function isMounted(): boolean {
  return asked().some((line) => line === 'mounted');
}

function asked(): string[] {
  try {
    return readFileSync(join(directory, 'asked'), 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}

const mounts = (): string => `echo mounted >> ${directory}/asked`;
const place = { target: '/srv', isThere: isMounted, leadsTo: (path: string) => path === '/dev/disk/by-uuid/one' };

test('nobody is asked for what is there already', async () => {
  manager();
  expect(await mountedBySystem({ ...place, isThere: () => true })).toBe(true);
  expect(asked()).toEqual([]);
});

test('nobody is asked where systemd does not run', async () => {
  hasManager.is = false;
  manager();
  expect(await mountedBySystem(place)).toBe(false);
  expect(asked()).toEqual([]);
});

test('the unit that its table has for the place mounts it', async () => {
  manager({ onStart: mounts() });
  expect(await mountedBySystem(place)).toBe(true);
  expect(asked()).toContain('systemctl start -- srv.mount');
});

test('a unit that is none of the table is not started', async () => {
  manager({ table: '', onStart: mounts() });
  expect(await mountedBySystem(place)).toBe(false);
});

test('a unit that would mount another disk is not started', { timeout: 30_000 }, async () => {
  manager({ onStart: mounts() });
  expect(await mountedBySystem({ ...place, leadsTo: () => false })).toBe(false);
  expect(asked()).not.toContain('systemctl start -- srv.mount');
});

test('where the unit fails it is for us', async () => {
  manager({ onStart: 'exit 1' });
  expect(await mountedBySystem(place)).toBe(false);
});

test('what no table has waits until a boot has mounted the others', async () => {
  manager({ table: '', job: '17' });
  const work = mountedBySystem(place);
  const early = await Promise.race([work, new Promise((resolve) => setTimeout(() => resolve('waits'), 1_000))]);
  expect(early).toBe('waits');
  writeFileSync(join(directory, 'booted'), '');
  expect(await work).toBe(false);
});
