import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiskferryError, messageOf } from '../../../app/base/error.ts';
import { Users } from '../../../app/substitution/users.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-users-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('users of a volume', () => {
  it('are started again when their stop command has failed, which may have stopped some', async () => {
    const started = join(directory, 'started');
    const users = new Users({ units: [], stopCommand: 'exit 3', startCommand: `touch ${started}` });
    await expect(users.stop()).rejects.toThrow('the stop command failed: exit code 3');
    await users.start();
    expect(existsSync(started)).toBe(true);
  });

  it('are all started, whichever of them fails, and all failures are told', async () => {
    const called = join(directory, 'called');
    const systemctl = join(directory, 'systemctl');
    // Those of which the start fails: `bad` and `worse`.
    const words = `#!/bin/sh\necho "$1 $2" >> ${called}\ncase $2 in bad*|worse*) echo "no $2" >&2; exit 1;; esac\n`;
    writeFileSync(systemctl, words, { mode: 0o755 });
    vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
    const startCommand = `echo start command >> ${called}; exit 3`;
    const users = new Users({ units: ['good', 'bad', 'better', 'worse'], stopCommand: 'true', startCommand }, 'stopped');
    const error: unknown = await users.start().catch((reason: unknown) => reason);
    vi.unstubAllEnvs();
    expect(error).toBeInstanceOf(DiskferryError);
    expect(messageOf(error)).toMatch(/^the start command failed: exit code 3; then starting worse .*; then starting bad /);
    const all = ['start command', 'start worse', 'start better', 'start bad', 'start good'];
    expect(readFileSync(called, 'utf8').trim().split('\n')).toEqual(all);
  });

  it('are not started when nobody has stopped them', async () => {
    const started = join(directory, 'started');
    const users = new Users({ units: [], stopCommand: 'true', startCommand: `touch ${started}` });
    await users.start();
    expect(existsSync(started)).toBe(false);
  });
});
