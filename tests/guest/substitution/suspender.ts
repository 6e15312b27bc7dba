/**
 * The program that watchdog.test.ts kills: goes through a change of a device's table, one ioctl at a time,
 * and stops for good after the step that it is told, saying so. Its arguments: NAME TABLE STEP [LIMIT-MS]
 */
import { setInterval } from 'node:timers';
import type { DmTarget } from '../../../native/device-mapper.ts';
import { loadTable, resumeDevice, suspendDevice } from '../../../native/device-mapper.ts';
import { Watchdog } from '../../../app/substitution/watchdog.ts';

const [name = '', table = '', stopAfter = '', limit = '20000'] = process.argv.slice(2);
const targets = JSON.parse(table) as DmTarget[];

async function stopIf(step: string): Promise<void> {
  if (step !== stopAfter) return;
  process.stdout.write(`${step}\n`);
  await new Promise(() => setInterval(() => undefined, 1000));
}

await Watchdog.during((watchdog) =>
  watchdog.guard({ name, limitMs: Number(limit) }, async () => {
    await stopIf('guarded');
    await loadTable({ name, targets });
    await stopIf('loaded');
    await suspendDevice({ name, noFlush: true, skipLockfs: true });
    await stopIf('suspended');
    await resumeDevice(name);
    await stopIf('resumed');
  }),
);
