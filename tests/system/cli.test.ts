/**
 * The command line's refusals and lines, through the real program: what a person types wrong is told in one
 * line with the exit code of the contract, never as a bug, and every line of JSON says what it is.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { statusLineSchema } from '../../app/contract/control.ts';
import { jobEventSchema } from '../../app/contract/events.ts';
import type { ProgramResult } from '../../app/devices/program.ts';
import { runProgram } from '../../app/devices/program.ts';
import { unmount } from './support/file-system.ts';
import { makeImage } from './support/loop-disk.ts';
import { cliProgram, Migration, runCli } from './support/migration.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import { useScratch } from './support/scratch.ts';
import { sweep } from './support/traces.ts';

const isRoot = process.getuid?.() === 0;
const nobody = 65534;
const scratchOf = useScratch();

function makeImages(): { source: string; destination: string } {
  const [source, destination] = [scratchOf().path('source.img'), scratchOf().path('destination.img')];
  for (const file of [source, destination]) makeImage(file, 16 * mebibyte);
  return { source, destination };
}

/** One line for people, one for programs, and nothing left behind. */
async function expectRefused(
  refused: { code: string; exitCode: number; names: string },
  parameters: string[],
): Promise<void> {
  const { source, destination } = makeImages();
  const disks = ['--source', source, '--destination', destination, '--yes', '--json'];
  const state = parameters.includes('--state-dir') ? [] : ['--state-dir', scratchOf().stateDirectory];
  const { exitCode, stdout, stderr } = await runCli('migrate', ...disks, ...state, ...parameters);
  const { code, names } = refused;
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(names);
  expect(jobEventSchema.parse(JSON.parse(stdout))).toMatchObject({
    event: 'failed',
    code,
    dataIs: 'untouched',
  });
  expect(exitCode).toBe(refused.exitCode);
}

/** As an ordinary user. */
function runAsNobody(...parameters: string[]): Promise<ProgramResult> {
  const user = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
  return runProgram('setpriv', [...user, process.execPath, cliProgram, ...parameters]);
}

describe.skipIf(!isRoot)('migrate (needs root)', () => {
  const nbd = ['--frontend', 'nbd-socket', '--socket'];
  const unusable = { code: 'socket-unusable', exitCode: 3 };

  it('refuses a socket path where something exists', async () => {
    const path = scratchOf().path('taken');
    writeFileSync(path, '');
    await expectRefused({ ...unusable, names: path }, [...nbd, path]);
  });

  it('refuses a socket path whose directory does not exist', async () => {
    const path = scratchOf().path('missing/socket');
    await expectRefused({ ...unusable, names: path }, [...nbd, path]);
  });

  it('refuses a socket path that is too long', async () => {
    const path = scratchOf().path('s'.repeat(107));
    await expectRefused({ ...unusable, names: path }, [...nbd, path]);
  });

  it('refuses a state directory in which its control socket would have too long a path', async () => {
    const directory = scratchOf().path('s'.repeat(100));
    const refused = { code: 'state-directory-unusable', exitCode: 3, names: directory };
    await expectRefused(refused, ['--frontend', 'nbd-socket', '--state-dir', directory]);
  });

  it.each([
    ['--stop-command', '--start-command'],
    ['--start-command', '--stop-command'],
  ])('refuses %s without %s', async (given, missing) => {
    await expectRefused({ code: 'usage', exitCode: 2, names: missing }, [given, 'true']);
  });

  it.each([
    ['commands', ['--stop-command', 'true', '--start-command', 'true']],
    ['units', ['--stop-unit', 'nothing.service']],
  ])('refuses %s that stop users of a source without users', async (_, parameters) => {
    await expectRefused({ code: 'usage', exitCode: 2, names: 'nothing to stop for' }, parameters);
  });

  it('refuses a key file for a source whose container needs none', async () => {
    await expectRefused({ code: 'usage', exitCode: 2, names: 'no passphrase is needed' }, [
      '--key-file',
      '/dev/null',
    ]);
  });

  it.each([
    ['a second source', ['--source', '/dev/null'], 'given twice'],
    ['an option that is not there', ['--sped', 'full'], "unknown option '--sped' (Did you mean --speed?)"],
    ['a speed that is not there', ['--speed', 'fast'], 'Allowed choices are gentle, balanced, full'],
  ])('refuses %s', async (_, parameters, names) => {
    await expectRefused({ code: 'usage', exitCode: 2, names }, parameters);
  });

  it('says which command there is no help for', async () => {
    const { exitCode, stderr } = await runCli('help', 'nonsense');
    expect(exitCode).toBe(2);
    expect(stderr).toContain("diskferry: unknown command 'nonsense'. ");
  });

  it('refuses a socket for a frontend that has none', async () => {
    const parameters = ['--frontend', 'fuse', '--socket', scratchOf().path('socket')];
    await expectRefused({ code: 'usage', exitCode: 2, names: 'nbd-socket' }, parameters);
  });

  it('says that there is no frontend iscsi', async () => {
    await expectRefused({ code: 'no-frontend', exitCode: 3, names: 'iscsi' }, ['--frontend', 'iscsi']);
  });

  it('says that this version has no mode mirror', async () => {
    await expectRefused({ code: 'mode-not-supported', exitCode: 3, names: 'mirror' }, ['--mode', 'mirror']);
  });

  it('repeats the warnings of the plan right after it, because with --yes nobody has read them', async () => {
    const migration = Migration.start(scratchOf(), makeImages());
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    const { warnings } = (await migration.event('planned')).plan;
    expect(warnings.length).toBeGreaterThan(0);
    expect(migration.events[0]).toMatchObject({ event: 'planned' });
    expect(migration.events.slice(1, 1 + warnings.length)).toMatchObject(
      warnings.map((warning) => ({ event: 'warning', ...warning })),
    );
  });
});

describe.skipIf(!isRoot)('a line of JSON (needs root)', () => {
  it('of a plan is the event planned, of no job', async () => {
    const { source, destination } = makeImages();
    const { stdout } = await runCli('plan', '--source', source, '--destination', destination, '--json');
    expect(jobEventSchema.parse(JSON.parse(stdout))).toMatchObject({ event: 'planned', job: '' });
  });

  it('of status tells of a job that has died, as the text does', async () => {
    const scratch = scratchOf();
    const volume = await makeMountedVolume(scratch);
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    const job = await migration.job();
    await migration.kill();
    const state = ['--state-dir', scratch.stateDirectory];
    const { exitCode, stdout, stderr } = await runCli('status', '--json', ...state);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const died = { job, state: 'died', source: volume.source.path, destination: volume.destination.path };
    expect(statusLineSchema.parse(JSON.parse(stdout))).toMatchObject({ event: 'status', ...died });
    expect((await runCli('status', job, ...state)).stderr).toContain(`${job}: the job died`);
    await unmount(volume.target);
    await sweep(scratch.stateDirectory);
    await runProgram('rm', ['-r', scratch.stateDirectory]);
  });
});

describe.skipIf(!isRoot)('status by an ordinary user (needs root)', () => {
  it('is not authorised where only root may look', async () => {
    const scratch = scratchOf();
    chmodSync(scratch.directory, 0o755);
    await scratch.makeDirectory('state/jobs');
    chmodSync(scratch.path('state'), 0o700);
    const { exitCode, stdout, stderr } = await runAsNobody(
      'status',
      '--json',
      '--state-dir',
      scratch.stateDirectory,
    );
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(jobEventSchema.parse(JSON.parse(stdout))).toMatchObject({ code: 'not-root', dataIs: 'untouched' });
    expect(exitCode).toBe(6);
    await runProgram('rm', ['-r', scratch.stateDirectory]);
  });
});

describe('output', () => {
  it('that cannot be written makes the command fail, and says why', async () => {
    const { exitCode, stderr } = await runProgram('sh', [
      '-c',
      `exec "$0" "$1" --version > /dev/full`,
      process.execPath,
      cliProgram,
    ]);
    expect(stderr).toContain('ENOSPC');
    expect(exitCode).toBe(4);
  });

  it('that nobody reads is no failure', async () => {
    const command = `{ "$0" "$1" --version; echo $? >&2; } | true`;
    expect((await runProgram('sh', ['-c', command, process.execPath, cliProgram])).stderr).toBe('0\n');
  });
});
