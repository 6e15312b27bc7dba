/** Reads a sysfs laid out by hand. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mappedHoldersOf } from '../../../app/devices/mapped-holders.ts';

let sysPath: string;

beforeEach(() => {
  sysPath = mkdtempSync(join(tmpdir(), 'diskferry-sysfs-'));
});

afterEach(() => {
  rmSync(sysPath, { recursive: true });
});

function hold(disk: string, holder: string, attributes: Readonly<Record<string, string>>): void {
  const folder = join(sysPath, 'dev/block', disk, 'holders', holder, 'dm');
  mkdirSync(folder, { recursive: true });
  for (const [name, value] of Object.entries(attributes)) writeFileSync(join(folder, name), `${value}\n`);
}

it('names who lies on a disk, but for our own private devices', () => {
  hold('8:16', 'dm-0', { name: 'vg-home', uuid: 'LVM-x' });
  hold('8:16', 'dm-1', { name: 'diskferry-a-source', uuid: 'DISKFERRY-a-source' });
  hold('8:16', 'dm-2', { name: 'diskferry-a', uuid: 'DISKFERRY-a' });
  hold('8:16', 'md0', {});
  hold('8:32', 'dm-3', { name: 'vg-other', uuid: 'LVM-y' });
  expect(mappedHoldersOf('8:16', sysPath).sort()).toEqual(['diskferry-a', 'vg-home']);
});

it('finds nobody on a disk that has gone', () => {
  expect(mappedHoldersOf('8:99', sysPath)).toEqual([]);
});
