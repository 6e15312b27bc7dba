import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startService } from '../../../app/client/start-service.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-start-'));
  vi.stubEnv('PATH', directory);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** A systemctl of the test's own. */
function systemctl(script: string): void {
  const path = join(directory, 'systemctl');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

describe('startService', () => {
  test('has systemd start the unit', async () => {
    systemctl(`echo "$@" > ${directory}/asked`);
    await startService();
    expect(readFileSync(join(directory, 'asked'), 'utf8')).toBe('start diskferryd.service\n');
  });

  test('says what systemd says against it', async () => {
    systemctl('echo "Unit diskferryd.service not found." >&2; exit 5');
    await expect(startService()).rejects.toMatchObject({
      code: 'no-service',
      message: 'diskferryd.service could not be started: Unit diskferryd.service not found.',
    });
  });

  test('says that there is no systemd', async () => {
    await expect(startService()).rejects.toMatchObject({ message: expect.stringContaining('no systemd') });
  });
});
