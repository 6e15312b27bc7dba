/**
 * The guest runner itself: a guest is another machine's worth of memory and work, and must not outlive who
 * asked for it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { userModeLinux } from '../guest/user-mode-linux.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const missing = userModeLinux.missing();
const scratchOf = useScratch();
const root = join(import.meta.dirname, '../..');

/** Of all processes whose command lines name this directory. */
function processesWith(directory: string): string[] {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return numbers.flatMap((number) => {
    const file = `/proc/${number}/cmdline`;
    const line = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return line.includes(directory) ? [line.replaceAll('\0', ' ').slice(0, 60)] : [];
  });
}

describe.skipIf(!isRoot || missing !== undefined)(
  `a guest (needs root, and ${missing ?? 'nothing that is missing'})`,
  () => {
    it('ends when the runner is killed', async () => {
      const { directory } = scratchOf();
      const command = [
        '--import',
        'tsx',
        'tests/guest/run.ts',
        '--guest',
        userModeLinux.name,
        '--memory',
        '256',
        '--',
        'sleep',
        '1000',
      ];
      const environment = { ...process.env, TMPDIR: directory };
      const runner = spawn(process.execPath, command, { cwd: root, env: environment, stdio: 'ignore' });
      scratchOf().onRelease('the runner', () => void runner.kill('SIGKILL'));
      const hasBooted = (): boolean =>
        readdirSync(directory).some((name) => existsSync(join(directory, name, 'boot-seconds')));
      await waitUntil('the guest has booted', hasBooted);
      expect(processesWith(directory)).not.toEqual([]);
      runner.kill('SIGKILL');
      await once(runner, 'exit');
      await waitUntil('all of its processes have ended', () => processesWith(directory).length === 0);
    });
  },
);
