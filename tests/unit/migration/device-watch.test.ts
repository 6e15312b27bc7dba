import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprint } from '../../../app/migration/device-watch.ts';

test('a disk that comes, changes or goes, a mount and swap each change the fingerprint', () => {
  const sysPath = mkdtempSync(join(tmpdir(), 'diskferry-watch-'));
  const [mounts, swaps] = [join(sysPath, 'mountinfo'), join(sysPath, 'swaps')];
  const folder = join(sysPath, 'class/block/sda');
  const steps = [
    () => mkdirSync(folder, { recursive: true }),
    () => writeFileSync(join(folder, 'size'), '8\n'),
    () => writeFileSync(join(folder, 'size'), '16\n'),
    () => writeFileSync(join(folder, 'diskseq'), '2\n'),
    () => writeFileSync(mounts, '1 0 8:1 / / rw - ext4 /dev/sda1 rw\n'),
    () => writeFileSync(swaps, '/dev/sda2\n'),
    () => rmSync(folder, { recursive: true }),
  ];
  try {
    const seen = [fingerprint(sysPath, mounts, swaps)];
    for (const step of steps) {
      step();
      seen.push(fingerprint(sysPath, mounts, swaps));
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(fingerprint(sysPath, mounts, swaps)).toBe(seen.at(-1));
  } finally {
    rmSync(sysPath, { recursive: true });
  }
});
