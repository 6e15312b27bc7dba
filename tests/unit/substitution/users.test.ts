import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

  it('are not started when nobody has stopped them', async () => {
    const started = join(directory, 'started');
    const users = new Users({ units: [], stopCommand: 'true', startCommand: `touch ${started}` });
    await users.start();
    expect(existsSync(started)).toBe(false);
  });
});
