/**
 * Diskferry's command line, as anybody starts it; no journal exists yet for disks that are none of its own.
 */
import { OurJob } from '../../our-job.ts';
import type { Mover } from '../mover.ts';
import { within } from '../mover.ts';

export function diskferry(frontend: 'ublk' | 'nbd'): Mover {
  return {
    name: `Diskferry, ${frontend}`,

    async begin(part, volume) {
      const job = OurJob.start(part, volume.disks, ['--frontend', frontend, '--experimental-no-journal']);
      await job.attached();
      return {
        copy: (msMax) => within(msMax, job.synchronized()),
        async cutOver() {
          await job.cutOver();
        },
        giveUp: () => job.undo(),
      };
    },
  };
}
