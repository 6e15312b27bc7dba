/** Diskferry's command line, as anybody starts it, with its journal on a third disk. */
import { OurJob } from '../../our-job.ts';
import type { Mover } from '../mover.ts';
import { within } from '../mover.ts';

export function diskferry(frontend: 'ublk' | 'nbd'): Mover {
  return {
    name: `Diskferry, ${frontend}`,

    async begin(part, volume) {
      const parameters = ['--frontend', frontend, '--experimental-no-journal'];
      const { stateDirectory } = volume.disks;
      const job = OurJob.start(part, volume.disks, { parameters, stateDirectory });
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
