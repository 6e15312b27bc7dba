import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Plan } from '../../../app/contract/plan.ts';
import { invertSector } from '../../../app/devices/guard-places.ts';
import { nameJob, requireBeginning } from '../../../app/migration/job-order.ts';

let directory: string;
/** An image that holds the start of an ext4. */
let image: string;
const imageBytes = 1024 * 1024;

/** In the place of systemctl: knows one unit that runs. */
const systemctl = `#!/bin/sh
test "$1 $2" = "is-active --" || exit 1
test "$3" = db.service && { echo active; exit 0; }
echo inactive
exit 3
`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-order-'));
  const path = join(directory, 'systemctl');
  writeFileSync(path, systemctl);
  chmodSync(path, 0o755);
  image = join(directory, 'volume.img');
  const bytes = Buffer.alloc(imageBytes);
  bytes.writeUInt16LE(0xef53, 1024 + 56);
  writeFileSync(image, bytes);
  vi.stubEnv('PATH', `${directory}:${process.env['PATH'] ?? ''}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const source = () => ({ path: image, kind: 'file', sizeBytes: imageBytes, logicalBlockBytes: 512 });
const plan = (way: Plan['way']) =>
  ({ way, source: source(), needsRoot: false, stateDirectory: join(directory, 'state') }) as unknown as Plan;

test('names of jobs can be typed, and a thousand of one source are all different', () => {
  const names = Array.from({ length: 1000 }, () => nameJob({ source: { path: '/dev/My disk' } } as Plan));
  expect(names[0]).toMatch(/^My-disk-[0-9a-f]{8}$/);
  expect(new Set(names).size).toBe(names.length);
});

describe('requireBeginning', () => {
  test('lets units be stopped that run', async () => {
    await requireBeginning(plan('remount'), { units: ['db.service'] });
  });

  test('starts no unit that did not run before', async () => {
    const beginning = requireBeginning(plan('remount'), { units: ['db.service', 'debug-shell.service'] });
    await expect(beginning).rejects.toMatchObject({
      code: 'usage',
      message: '--stop-unit: debug-shell.service is not active (inactive), so there is nothing to stop',
    });
  });

  test('stops nothing for a volume that is not mounted', async () => {
    const beginning = requireBeginning(plan('attach'), { units: ['db.service'] });
    await expect(beginning).rejects.toMatchObject({ code: 'usage', message: expect.stringContaining(image) });
  });

  test('moves no source that an earlier job has hidden', async () => {
    const bytes = readFileSync(image);
    invertSector(bytes, 1024);
    writeFileSync(image, bytes);
    const beginning = requireBeginning(plan('remount'), { units: ['db.service'] });
    await expect(beginning).rejects.toMatchObject({ code: 'disk-masked', message: expect.stringContaining('ext4') });
  });
});
