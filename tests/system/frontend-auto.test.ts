/** Which frontend `auto` takes on this machine. The guests have the kernels that offer more. */
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { jobEventSchema } from '../../app/contract/events.ts';
import { readKernelOffers } from '../../app/migration/frontend-choice.ts';
import { makeImage } from './support/loop-disk.ts';
import { runCli } from './support/migration.ts';
import { useScratch } from './support/scratch.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const { ublk, nbd } = await readKernelOffers();
const isBare = ublk.state === 'missing' && nbd.state === 'missing';

describe.skipIf(!isRoot || !isBare)('auto on a kernel without ublk and nbd (needs root)', () => {
  it('is fuse, for image files as well, and the plan says why', async () => {
    const [source, destination] = [scratchOf().path('source'), scratchOf().path('destination')];
    for (const file of [source, destination]) makeImage(file, mebibyte);
    const disks = [
      '--source',
      source,
      '--destination',
      destination,
      '--state-dir',
      scratchOf().stateDirectory,
    ];
    const { stdout } = await runCli('plan', ...disks, '--json');
    const event = jobEventSchema.parse(JSON.parse(stdout));
    expect(event).toMatchObject({ event: 'planned', plan: { frontend: 'fuse' } });
    const { stdout: text } = await runCli('plan', ...disks);
    expect(text.replace(/\s+/g, ' ')).toContain(
      'fuse serves it, the best that works here: this kernel has neither ublk nor its module ublk_drv, ' +
        'and this kernel has neither nbd nor its module nbd.',
    );
  });
});
