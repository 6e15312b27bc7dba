/**
 * The demo on a kernel that offers more than FUSE, as most people's does. The guest of user-mode Linux has
 * device-mapper and nbd.
 */
import { expect, it } from 'vitest';
import { jobEventSchema } from '../../app/contract/events.ts';
import { runProgram } from '../../app/devices/program.ts';
import { cliProgram } from '../system/support/migration.ts';

// A loop device needs a file system below it that is not an overlay.
const onMemory = ['TMPDIR=/dev/shm', process.execPath, cliProgram];
const demoMsMax = 480_000;

it.skipIf(process.env['DISKFERRY_GUEST'] !== 'user-mode-linux')(
  'the demo moves a busy volume where device-mapper and nbd are offered, and finds everything',
  async () => {
    const { exitCode, stdout } = await runProgram('env', [
      ...onMemory,
      'demo',
      '--size',
      '96M',
      '--speed',
      'full',
      '--json',
    ]);
    expect(exitCode).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => jobEventSchema.parse(JSON.parse(line)));
    expect(events.find(({ event }) => event === 'attached')).toMatchObject({ device: '/dev/nbd0' });
    expect(events.at(-1)).toMatchObject({ event: 'finished', verified: true });
  },
  demoMsMax,
);
