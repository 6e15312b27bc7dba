/**
 * What goes wrong around a job: its commands fail, somebody keeps the volume busy, the mounts have changed
 * meanwhile, its reader goes away. The volume is always somewhere, mounted and whole, and the job says where
 * and why.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runCommand } from '../../app/devices/command.ts';
import { faultRow } from '../fault-table.ts';
import { checkFileSystem, findMount, unmount } from './support/file-system.ts';
import type { Migration } from './support/migration.ts';
import { runCli } from './support/migration.ts';
import type { MountedVolume } from './support/mounted-volume.ts';
import { makeMountedVolume } from './support/mounted-volume.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { waitUntil } from './support/wait.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();

/** A process that keeps a directory busy until it is told to end. */
class Holder {
  readonly #child: ChildProcess;

  static async start(scratch: Scratch, directory: string): Promise<Holder> {
    const child = spawn('sleep', ['1000'], { cwd: directory, stdio: 'ignore' });
    const holder = new Holder(child);
    scratch.onRelease('a process that holds the volume', () => holder.end());
    await once(child, 'spawn');
    return holder;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? NaN;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** A mount namespace with a copy of all mounts there are now, as a container may have. */
async function startNamespace(scratch: Scratch): Promise<() => Promise<void>> {
  const child = spawn('unshare', ['--mount', 'sleep', '1000'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  scratch.onRelease('the other namespace', end);
  const command = `/proc/${child.pid}/comm`;
  await waitUntil('the namespace is there', () => readFileSync(command, 'utf8') === 'sleep\n');
  return end;
}

async function endProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await waitUntil('it has ended', () => !existsSync(`/proc/${pid}/cwd`));
}

describe.skipIf(!isRoot)('a migration of a mounted volume (needs root)', () => {
  let scratch: Scratch;
  let volume: MountedVolume;

  beforeEach(async () => {
    scratch = scratchOf();
    volume = await makeMountedVolume(scratch);
  });

  /** Failed before the virtual device had a user: as if nothing had happened. */
  async function expectNotStarted(migration: Migration): Promise<void> {
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.eventsNamed('attached')).toEqual([]);
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.source.path);
  }

  async function expectMoved(migration: Migration): Promise<void> {
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    expect(await findMount(volume.target)).toEqual({
      ...volume.mountedBefore,
      source: volume.destination.path,
    });
    await unmount(volume.target);
    await checkFileSystem('ext4', volume.destination.path);
  }

  it('does not start when its stop command fails', async () => {
    const migration = volume.migrate(
      '--stop-command',
      'echo cannot stop >&2; exit 3',
      '--start-command',
      'true',
    );
    await expectNotStarted(migration);
    expect(migration.events.at(-1)).toMatchObject({ event: 'failed', code: 'command-failed' });
  });

  it('goes back to the source when its start command fails', async () => {
    const migration = volume.migrate(
      '--stop-command',
      'true',
      '--start-command',
      'echo cannot start >&2; exit 3',
    );
    await expectNotStarted(migration);
    expect(migration.events.at(-1)).toMatchObject({ event: 'failed', code: 'command-failed' });
  });

  it('waits for a decision when its start command fails and leaves a process in the volume', async () => {
    const pid = scratch.path('pid');
    const leaveOne = `[ -e ${pid} ] || { cd ${volume.target}; sleep 1000 & echo $! > ${pid}; }; exit 3`;
    const migration = volume.migrate('--stop-command', 'true', '--start-command', leaveOne);
    const { message } = await migration.event('decision');
    expect(message).toContain('sleep (process');
    const holder = Number(readFileSync(pid, 'utf8'));
    expect(await findMount(volume.target)).toMatchObject({ source: (await migration.ask('status')).device });
    await endProcess(holder);
    await migration.ask('undo');
    await expectNotStarted(migration);
    expect(migration.events.at(-1)).toMatchObject({ code: 'command-failed', dataIs: 'source' });
  });

  it('asks for a decision when its stop command fails at the cut-over, and tries again', async () => {
    const command = `[ ! -e ${scratch.path('unwilling')} ]`;
    const migration = volume.migrate('--hold', '--stop-command', command, '--start-command', 'true');
    const device = await migration.device();
    await migration.event('synchronized');
    writeFileSync(scratch.path('unwilling'), '');
    await migration.ask('cutover');
    const { choices } = await migration.event('decision');
    expect(choices.map(({ choice }) => choice)).toEqual(['retry', 'undo']);
    expect(await findMount(volume.target)).toMatchObject({ source: device });
    await runCommand('rm', [scratch.path('unwilling')], 'becoming willing');
    await migration.ask('resume');
    await expectMoved(migration);
  });

  it('says that the data is on the destination when its start command fails at the end', async () => {
    const command = `[ ! -e ${scratch.path('unwilling')} ]`;
    const migration = volume.migrate('--hold', '--stop-command', 'true', '--start-command', command);
    await migration.event('synchronized');
    writeFileSync(scratch.path('unwilling'), '');
    await migration.ask('cutover');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({ code: 'command-failed', dataIs: 'destination' });
    expect(await findMount(volume.target)).toMatchObject({ source: volume.destination.path });
    await unmount(volume.target);
  });

  it('does not wait for what its start command leaves running, and gives it no open disks', async () => {
    const [list, pids] = [scratch.path('open-files'), scratch.path('pids')];
    const command = `ls -l /proc/self/fd > ${list}; sleep 1000 & echo $! >> ${pids}`;
    scratch.onRelease('what the start command left', async () => {
      for (const pid of readFileSync(pids, 'utf8').trim().split('\n')) {
        await endProcess(Number(pid));
      }
    });
    const migration = volume.migrate('--hold', '--stop-command', 'true', '--start-command', command);
    await migration.event('synchronized');
    expect(readFileSync(list, 'utf8')).not.toMatch(/fuse|loop|uring|virtual-device/);
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    await unmount(volume.target);
  });

  it('does not start while a process uses the volume, and names it', async () => {
    const holder = await Holder.start(scratch, volume.target);
    const migration = volume.migrate();
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({
      code: 'volume-busy',
      message: expect.stringContaining(`sleep (process ${holder.pid}, working directory`) as string,
      dataIs: 'untouched',
    });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await holder.end();
    await expectMoved(volume.migrate());
  });

  it('goes on while a process uses the volume at the cut-over, names it, and tries again', async () => {
    const migration = volume.migrate('--hold');
    const device = await migration.device();
    await migration.event('synchronized');
    const holder = await Holder.start(scratch, volume.target);
    await migration.ask('cutover');
    const { message } = await migration.event('decision');
    expect(message).toContain(`sleep (process ${holder.pid}, working directory`);
    expect(await findMount(volume.target)).toMatchObject({ source: device });
    writeFileSync(`${volume.target}/still`, 'in use');
    await holder.end();
    await migration.ask('resume');
    await migration.end();
    expect(readFileSync(`${volume.target}/still`, 'utf8')).toBe('in use');
    await expectMoved(migration);
  });

  it('does not start while another mount namespace holds the volume', async () => {
    const endNamespace = await startNamespace(scratch);
    const migration = volume.migrate();
    expect(await migration.end()).toMatchObject({ exitCode: 3 });
    expect(migration.events.at(-1)).toMatchObject({ code: 'device-in-use', dataIs: 'untouched' });
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await endNamespace();
    await expectMoved(volume.migrate());
  });

  it('goes on while another mount namespace holds the volume at the cut-over', async () => {
    const migration = volume.migrate('--hold');
    const device = await migration.device();
    await migration.event('synchronized');
    const endNamespace = await startNamespace(scratch);
    await migration.ask('cutover');
    expect((await migration.event('decision')).message).toContain(device);
    expect(await findMount(volume.target)).toMatchObject({ source: device });
    writeFileSync(`${volume.target}/still`, 'in use', { flush: true });
    await endNamespace();
    await migration.ask('resume');
    await expectMoved(migration);
  });

  it('cuts over although somebody has unmounted the volume meanwhile', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    await unmount(volume.target);
    await migration.ask('cutover');
    await expectMoved(migration);
  });

  it('leaves alone what somebody has mounted in its place meanwhile', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    await unmount(volume.target);
    await runCommand('mount', ['-t', 'tmpfs', 'somebody', volume.target], 'mounting something else');
    await migration.ask('cutover');
    const { message } = await migration.event('decision');
    expect(message).toContain(volume.target);
    expect(await findMount(volume.target)).toMatchObject({ source: 'somebody' });
    await unmount(volume.target);
    await migration.ask('resume');
    await expectMoved(migration);
  });

  it('goes on when nobody reads what it says any more', async () => {
    const migration = volume.migrate('--hold');
    await migration.event('synchronized');
    migration.closeOutput();
    await migration.ask('cutover');
    await expectMoved(migration);
  });

  it('outlives a fault that nobody has foreseen', async () => {
    const fault = fileURLToPath(new URL('support/program-fault.cjs', import.meta.url));
    vi.stubEnv('NODE_OPTIONS', `--require ${fault}`);
    const migration = volume.migrate('--hold');
    vi.unstubAllEnvs();
    await migration.event('synchronized');
    migration.signalJobProcess('SIGUSR2');
    await waitUntil('both faults are told', () => migration.said.includes('another fault for the test'));
    migration.signal('SIGUSR2');
    await waitUntil('and those of the command', () => migration.said.split('another fault for the test').length === 3);
    expect(migration.said).toContain('Error: a fault for the test');
    await migration.ask('cutover');
    await expectMoved(migration);
  });

  it('is refused when its state directory lies on the volume', async () => {
    const state = `${volume.target}/state`;
    const disks = ['--source', volume.source.path, '--destination', volume.destination.path];
    const { exitCode, stderr } = await runCli('migrate', ...disks, '--yes', '--state-dir', state);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(state);
    expect(existsSync(state)).toBe(false);
    expect(await findMount(volume.target)).toEqual(volume.mountedBefore);
    await unmount(volume.target);
  });

  it('is refused when its state directory cannot be one', async () => {
    const state = scratch.path('file');
    writeFileSync(state, '');
    const disks = ['--source', volume.source.path, '--destination', volume.destination.path];
    const { exitCode, stderr } = await runCli('migrate', ...disks, '--yes', '--state-dir', state);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: faultRow('the state directory cannot be used').exitCode,
      stderr: expect.stringContaining(state) as string,
    });
    await unmount(volume.target);
  });

  it('is refused when its state directory is too deep for a socket', async () => {
    const state = scratch.path('deep/'.repeat(20));
    const disks = ['--source', volume.source.path, '--destination', volume.destination.path];
    const { exitCode, stderr } = await runCli('migrate', ...disks, '--yes', '--state-dir', state);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining(state) as string,
    });
    await unmount(volume.target);
  });

  it('is refused for disks that another job moves', async () => {
    const first = volume.migrate('--hold');
    await first.event('synchronized');
    const second = volume.migrate();
    expect(await second.end()).toMatchObject({ exitCode: 3 });
    await first.ask('cutover');
    await expectMoved(first);
  });
});
