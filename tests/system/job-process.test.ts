/**
 * The command and the job process are two: the job lives on without the command that started it, and another
 * terminal sees it from its beginning to its end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { jobEventSchema } from '../../app/contract/events.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import { cliProgram, runCli } from './support/migration.ts';
import type { MountedVolume } from './support/mounted-volume.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

describe.skipIf(!isRoot)('a job whose command is killed (needs root)', () => {
  let volume: MountedVolume;
  let state: readonly string[];

  beforeEach(async () => {
    volume = await makeMountedVolume(scratchOf());
    state = ['--state-dir', scratchOf().stateDirectory];
  });

  interface Watching {
    said: string;
    readonly exitCode: Promise<number | null>;
  }

  /** Returns when it shows the job. */
  async function watch(...parameters: readonly string[]): Promise<Watching> {
    const child = spawn(process.execPath, [cliProgram, 'watch', ...parameters, ...state]);
    const exitCode = once(child, 'close').then(([code]) => code as number | null);
    const watching: Watching = { said: '', exitCode };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (watching.said += text));
    await waitUntil('the job is shown', () => /synchronized|Every block/.test(watching.said));
    return watching;
  }

  it('goes on to its end, is seen by who watches it, and leaves nothing', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    const job = await migration.job();
    await migration.killCommand();

    const file = join(scratchOf().stateDirectory, 'jobs', job, 'events.jsonl');
    const kept = readFileSync(file, 'utf8').trim().split('\n');
    const events = kept.map((line) => jobEventSchema.parse(JSON.parse(line)));
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['planned', 'attached', 'synchronized']),
    );

    const [watching, text] = [await watch(job, '--json'), await watch()];
    expect(await runCli('cutover', job, ...state)).toMatchObject({ exitCode: 0 });
    expect(await watching.exitCode).toBe(0);
    const seen = watching.said.trim().split('\n').map((line) => jobEventSchema.parse(JSON.parse(line)).event);
    expect([seen[0], seen.at(-1)]).toEqual(['planned', 'finished']);
    expect(await text.exitCode).toBe(0);
    expect(text.said).toContain('Done in');

    await migration.jobProcessEnd();
    expect(existsSync(join(scratchOf().stateDirectory, 'jobs', job))).toBe(false);
    expect(await findMount(volume.target)).toMatchObject({ source: volume.destination.path });
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  });

  it('goes back when it is told to, and who watches it ends with the code of that', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    const job = await migration.job();
    await migration.killCommand();
    const watching = await watch(job);
    migration.signalJobProcess('SIGTERM');
    expect(await watching.exitCode).toBe(8);
    await migration.jobProcessEnd();
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await unmount(volume.target);
  });

  it('is watched in vain when there is none', async () => {
    expect(await runCli('watch', ...state)).toMatchObject({ exitCode: 2 });
    expect(await runCli('watch', 'none', ...state)).toMatchObject({ exitCode: 2 });
    await unmount(volume.target);
  });
});
