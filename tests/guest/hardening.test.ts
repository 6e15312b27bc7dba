/** What serves a volume is marked as such, thread by thread, and what uses the volume is not. */
import { readFileSync, readdirSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { Migration } from '../system/support/migration.ts';
import type { MountedVolume } from '../system/support/mounted-volume.ts';
import { makeMountedVolume } from '../system/support/mounted-volume.ts';
import { unmount } from '../system/support/file-system.ts';
import { useScratch } from '../system/support/scratch.ts';

/** PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE of the kernel's sched.h, which PR_SET_IO_FLUSHER sets. */
const writesBack = 0x80000 | 0x100000;
const scratchOf = useScratch();

describe('the process that serves a volume', () => {
  let volume: MountedVolume;

  beforeEach(async () => {
    volume = await makeMountedVolume(scratchOf());
  });

  it('writes back and is spared when memory is short; what it starts for the volume is not', async () => {
    const [score, flags] = [scratchOf().path('score'), scratchOf().path('flags')];
    const start = `cat /proc/self/oom_score_adj > ${score}; cat /proc/self/stat > ${flags}`;
    const disks = { source: volume.source.path, destination: volume.destination.path };
    const users = ['--stop-command', 'true', '--start-command', start];
    const migration = Migration.start(scratchOf(), disks, '--hold', '--frontend', 'fuse', ...users);
    await migration.event('synchronized');
    const { processId } = await migration.ask('status');
    expect(readFileSync(`/proc/${processId}/oom_score_adj`, 'utf8').trim()).toBe('-1000');
    for (const task of readdirSync(`/proc/${processId}/task`))
      expect(flagsIn(readFileSync(`/proc/${processId}/task/${task}/stat`, 'latin1'))).toBe(writesBack);
    expect(readFileSync(score, 'utf8').trim()).toBe('0');
    expect(flagsIn(readFileSync(flags, 'latin1'))).toBe(0);
    migration.interrupt();
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    await unmount(volume.target);
  });
});

function flagsIn(stat: string): number {
  return Number(stat.replace(/^.*\) /s, '').split(' ')[6]) & writesBack;
}
