/**
 * Whole jobs, and at each of their steps what the system's programs make of either disk alone: never are both
 * known, after the commit exactly the destination, after an undo exactly the source. Looked at are copies of
 * the images, as another machine would see them.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { gibibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { recognisedBy } from '../../app/devices/foreign-recognisers.ts';
import { jobPhases } from '../../app/journal/job-phase.ts';
import { requireRecord } from '../../app/migration/job-record.ts';
import { readWord } from '../../app/migration/read-journal.ts';
import { findMount, mount, unmount } from './support/file-system.ts';
import { identityMakers, makeIdentity, makeKnownDisk, makerOf } from './support/identities.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { attachLoopDisk, makeLoopDisk } from './support/loop-disk.ts';
import { failing } from './support/mask-fault.ts';
import { Migration, runCli } from './support/migration.ts';
import type { Scratch } from './support/scratch.ts';
import { useScratch } from './support/scratch.ts';
import { isSoak } from './support/soak.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const types = isSoak ? Object.keys(identityMakers) : ['GPT'];

const nothing: readonly string[] = [];

/** Two disks of a job, and what programs know each by when it stands alone. */
class Scene {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  /** What programs say of the volume. */
  readonly known: string[];
  readonly #scratch: Scratch;

  static async make(scratch: Scratch, name: string): Promise<Scene> {
    const source = await makeKnownDisk(scratch, 'source', makerOf(name));
    const destination = await makeLoopDisk(scratch, 'destination', { sizeBytes: source.sizeBytes });
    // Another volume, which nobody may take it for any more either.
    await makeIdentity(destination.path, makerOf(name === 'MBR' ? 'GPT' : 'MBR'));
    const known = await seenAlone(scratch, source);
    expect(known).not.toEqual([]);
    return new Scene(scratch, { source, destination, known });
  }

  private constructor(scratch: Scratch, parts: Pick<Scene, 'source' | 'destination' | 'known'>) {
    this.#scratch = scratch;
    this.source = parts.source;
    this.destination = parts.destination;
    this.known = parts.known;
  }

  start(...parameters: string[]): Migration {
    const disks = { source: this.source.path, destination: this.destination.path };
    return Migration.start(this.#scratch, disks, ...parameters);
  }

  /** The job process kills itself at that step, or a disk refuses it (support/mask-fault.cjs). */
  startToFail(fault: string, ...parameters: string[]): Migration {
    return failing(fault, () => this.start(...parameters));
  }

  unmask(disk: LoopDisk, ...parameters: string[]): ReturnType<typeof runCli> {
    return runCli('unmask', disk.path, '--state-dir', this.#scratch.stateDirectory, ...parameters);
  }

  /** Or none. */
  async expectOneSeen(one: 'source' | 'destination'): Promise<void> {
    const other = one === 'source' ? this.destination : this.source;
    expect(await seenAlone(this.#scratch, other)).toEqual(nothing);
  }

  async expectSeen(onSource: readonly string[], onDestination: readonly string[]): Promise<void> {
    const [one, other] = [
      await seenAlone(this.#scratch, this.source),
      await seenAlone(this.#scratch, this.destination),
    ];
    expect([one, other]).toEqual([onSource, onDestination]);
  }
}

/** On a machine that has a copy of this disk and no other; which loop device it gets there says nothing. */
async function seenAlone(scratch: Scratch, { file, sizeBytes }: LoopDisk): Promise<string[]> {
  const copy = scratch.path('alone.img');
  copyFileSync(file, copy);
  const { path } = await attachLoopDisk(copy, sizeBytes);
  try {
    const seen = await recognisedBy({ node: path, path });
    return seen.map((text) => text.replaceAll(path, 'the disk'));
  } finally {
    await runCommand('losetup', ['--detach', path], `detaching ${path}`);
    rmSync(copy);
  }
}

let scratch: Scratch;
let scene: Scene;

/** For each test of the `describe` that calls it. */
function useScene(name: string): void {
  beforeEach(async () => {
    scratch = scratchOf();
    scene = await Scene.make(scratch, name);
  });
}

describe.skipIf(!isRoot).each(types)('a job that moves %s (needs root)', (name) => {
  useScene(name);

  it('shows neither disk until the commit, also when it is killed, and then the destination alone', async () => {
    const migration = scene.start('--hold');
    const device = await migration.pausedDevice();
    await scene.expectSeen(nothing, nothing);
    expect(await recognisedBy({ node: device, path: device })).not.toEqual([]);
    await migration.ask('resume');
    await migration.event('synchronized');
    await migration.kill();
    await scene.expectSeen(nothing, nothing);
    const recovered = Migration.recover(scratch, '--hold');
    await recovered.event('synchronized');
    await scene.expectSeen(nothing, nothing);
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
    expect(await scene.unmask(scene.source)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/no record here .* --i-know-it-is-stale/) as string,
    });
    await scene.expectSeen(nothing, scene.known);
    expect(await scene.unmask(scene.destination)).toMatchObject({ exitCode: 3 });
    const again = scene.start();
    expect(await again.end()).toMatchObject({ exitCode: 3 });
    expect(again.events.at(-1)).toMatchObject({ event: 'failed', code: 'disk-masked', dataIs: 'untouched' });
  });

  it('shows the source alone after an undo', async () => {
    const migration = scene.start('--hold');
    await migration.event('synchronized');
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });

  it('shows the source alone after unmask, which is refused while there is a job, and voids it', async () => {
    const migration = scene.start('--hold');
    await migration.event('synchronized');
    expect(await scene.unmask(scene.source)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining(`${scene.source.path}: is the source of the job`) as string,
    });
    await migration.kill();
    expect(await scene.unmask(scene.source)).toMatchObject({
      exitCode: 3,
      stderr: expect.stringMatching(/which died: it lacks .*diskferry recover/s) as string,
    });
    await scene.expectSeen(nothing, nothing);
    const forced = await scene.unmask(scene.source, '--i-know-it-is-stale', '--json');
    expect(JSON.parse(forced.stdout)).toMatchObject({
      device: scene.source.path,
      types: expect.arrayContaining([makerOf(name).type]) as string[],
    });
    await scene.expectSeen(scene.known, nothing);
    const recovered = Migration.recover(scratch);
    expect(await recovered.end()).toMatchObject({ exitCode: 3 });
    expect(recovered.events.at(-1)).toMatchObject({ event: 'failed', code: 'disk-unmasked', dataIs: 'both' });
    await scene.expectSeen(scene.known, nothing);
    rmSync(join(scratch.stateDirectory, 'jobs'), { recursive: true });
  });
});

describe.skipIf(!isRoot)('a job that is killed while it hides or shows a disk (needs root)', () => {
  useScene('ext4');

  it.each(['wiped', 'hidden'])('starts again when it had not begun (%s)', async (fault) => {
    await scene.startToFail(fault).end();
    await scene.expectSeen(fault === 'wiped' ? scene.known : nothing, nothing);
    const recovered = Migration.recover(scratch, '--hold');
    await recovered.event('synchronized');
    await scene.expectSeen(nothing, nothing);
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
  });

  it('erases nothing that has come to the destination since', async () => {
    await scene.startToFail('wiped').end();
    await makeIdentity(scene.destination.path, makerOf('GPT'));
    const now = readFileSync(scene.destination.file);
    const recovered = Migration.recover(scratch);
    expect(await recovered.end()).toMatchObject({ exitCode: 3 });
    expect(recovered.events.at(-1)).toMatchObject({ event: 'failed', code: 'device-changed', dataIs: 'source' });
    expect(await Migration.recover(scratch, '--undo').end()).toMatchObject({ exitCode: 8 });
    expect(readFileSync(scene.destination.file).equals(now)).toBe(true);
    expect(await seenAlone(scratch, scene.source)).toEqual(scene.known);
  });

  it('goes back to a destination that is in use by now without touching it', async () => {
    await scene.startToFail('wiped').end();
    await makeIdentity(scene.destination.path, makerOf('ext4'));
    const target = await scratch.makeDirectory('in-use');
    await mount(scene.destination.path, target);
    expect(await Migration.recover(scratch, '--undo').end()).toMatchObject({ exitCode: 8 });
    await unmount(target);
    expect(await seenAlone(scratch, scene.source)).toEqual(scene.known);
  });

  it('keeps no flag before it has a sample to tell that the source has been used since', async () => {
    // So much is free that it is recorded at once.
    const large = { sizeBytes: 3 * gibibyte };
    const source = await makeLoopDisk(scratch, 'large', large);
    await makeIdentity(source.path, makerOf('ext4'));
    const destination = await makeLoopDisk(scratch, 'larger', large);
    const disks = { source: source.path, destination: destination.path };
    const migration = failing('sampled', () => Migration.start(scratch, disks));
    const job = await migration.job();
    await migration.end();
    const directory = join(scratch.stateDirectory, 'jobs', job);
    const record = await requireRecord(directory, job);
    expect(record.sourceSample).toBeNull();
    expect(await readWord(directory, record)).toEqual({ phase: jobPhases.copying, hasCrossed: false });
    expect(await scene.unmask(source)).toMatchObject({ exitCode: 0 });
    expect(await Migration.recover(scratch, '--undo').end()).toMatchObject({ exitCode: 8 });
  });

  it('leaves a source that nobody has to vouch for when it had not begun', async () => {
    await scene.startToFail('hidden').end();
    expect(await scene.unmask(scene.destination)).toMatchObject({ exitCode: 3 });
    expect(await scene.unmask(scene.source)).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(scene.known, nothing);
    // Whoever has unmasked it uses it, and does not want it to be moved all the same.
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });

  it('keeps apart what was written after it had been started again, and killed again', async () => {
    await scene.startToFail('hidden').end();
    const second = Migration.recover(scratch, '--hold');
    await second.event('synchronized');
    await second.kill();
    expect(await scene.unmask(scene.source)).toMatchObject({ exitCode: 3 });
    const third = Migration.recover(scratch, '--undo');
    expect(await third.end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });

  it('does not go on with a destination that somebody has unmasked', async () => {
    const migration = scene.start('--hold');
    await migration.event('synchronized');
    await migration.kill();
    expect(await scene.unmask(scene.destination, '--i-know-it-is-stale')).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
    const recovered = Migration.recover(scratch);
    expect(await recovered.end()).toMatchObject({ exitCode: 3 });
    expect(recovered.events.at(-1)).toMatchObject({ event: 'failed', code: 'disk-unmasked', dataIs: 'both' });
    rmSync(join(scratch.stateDirectory, 'jobs'), { recursive: true });
  });

  it('shows the destination when its commit goes on', async () => {
    await scene.startToFail('shown').end();
    await scene.expectSeen(nothing, nothing);
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
  });

  it('shows the source when its undo goes on', async () => {
    const migration = scene.startToFail('shown', '--hold');
    const job = await migration.job();
    await migration.event('synchronized');
    await migration.ask('undo');
    await migration.end();
    const directory = join(scratch.stateDirectory, 'jobs', job);
    const word = await readWord(directory, await requireRecord(directory, job));
    expect(word.phase).toBe(jobPhases.undone);
    await scene.expectSeen(nothing, nothing);
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });
});

/** A partition table has several places, at both ends; in soak all steps, and some where no step is left. */
const writes = isSoak ? [1, 2, 3, 4, 5, 6, 7] : [3];
const turns = isSoak ? Array.from({ length: 40 }, (_, index) => 4 * index + 1) : [41];

describe.skipIf(!isRoot)('a job that is killed between two places of one disk (needs root)', () => {
  useScene('GPT');

  it.each(writes)('begins again after write %i of its start', async (nth) => {
    await scene.startToFail(`write-${nth}`, '--hold').end();
    await scene.expectOneSeen('source');
    const recovered = Migration.recover(scratch, '--hold');
    await recovered.event('synchronized');
    await scene.expectSeen(nothing, nothing);
    await recovered.ask('cutover');
    expect(await recovered.end()).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
  });

  it.each(writes)('goes back to the source after write %i of its start', async (nth) => {
    await scene.startToFail(`write-${nth}`, '--hold').end();
    expect(await Migration.recover(scratch, '--undo').end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });

  it.each(turns)('has the destination alone shown, killed in turn %i of its commit', async (nth) => {
    const migration = scene.startToFail(`turn-${nth}`);
    if ((await migration.end()).exitCode === 0) return;
    await scene.expectOneSeen('destination');
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 0 });
    await scene.expectSeen(nothing, scene.known);
  });

  it.each(turns)('has the source alone shown, killed in turn %i of its undo', async (nth) => {
    const migration = scene.startToFail(`turn-${nth}`, '--hold');
    await migration.event('synchronized');
    await migration.ask('undo');
    if ((await migration.end()).exitCode === 8) return;
    await scene.expectOneSeen('source');
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });
});

describe.skipIf(!isRoot)('a start that fails when the disks have been written (needs root)', () => {
  useScene('ext4');

  it('says what it has erased, and leaves the source as it was', async () => {
    const migration = scene.startToFail('start-fails');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({
      ...{ event: 'failed', code: 'engine-died', dataIs: 'source' },
      message: expect.stringContaining(`what identified ${scene.destination.path} was erased by then`) as string,
    });
    await scene.expectSeen(scene.known, nothing);
    expect(readdirSync(join(scratch.stateDirectory, 'jobs'))).toEqual([]);
  });

  it('can be taken back later when the source refuses to be shown', async () => {
    const migration = scene.startToFail('start-fails-hidden');
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({
      ...{ event: 'failed', code: 'source-stays-hidden', dataIs: 'source' },
      advice: expect.stringContaining(`diskferry recover --undo ${await migration.job()}`) as string,
    });
    await scene.expectSeen(nothing, nothing);
    expect(await Migration.recover(scratch, '--undo').end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });

  it('can be taken back later also when the new image is gone by then', async () => {
    const { path, sizeBytes } = scene.source;
    const disks = { source: path, destination: scratch.path('new.img') };
    const create = ['--create', String(sizeBytes)];
    const migration = failing('start-fails-hidden-new', () => Migration.start(scratch, disks, ...create));
    expect(await migration.end()).toMatchObject({ exitCode: 4 });
    expect(migration.events.at(-1)).toMatchObject({ code: 'source-stays-hidden', dataIs: 'source' });
    expect(existsSync(disks.destination)).toBe(false);
    const recovered = Migration.recover(scratch, '--undo');
    expect(await recovered.end()).toMatchObject({ exitCode: 8 });
    expect(await seenAlone(scratch, scene.source)).toEqual(scene.known);
    expect(readdirSync(join(scratch.stateDirectory, 'jobs'))).toEqual([]);
  });
});

describe.skipIf(!isRoot)('a disk that refuses to be shown or hidden (needs root)', () => {
  useScene('ext4');

  it('does not keep what was written from going back, after a commit that failed', async () => {
    const migration = scene.startToFail('commit-refused', '--hold');
    await migration.event('synchronized');
    await migration.ask('cutover');
    await migration.event('decision');
    await migration.ask('undo');
    expect(await migration.end()).toMatchObject({ exitCode: 8 });
    const { message } = await migration.event('warning', ({ code }) => code === 'disk-not-hidden');
    expect(message).toContain(`${scene.destination.path}: hiding its identity failed: EIO`);
    await scene.expectSeen(scene.known, nothing);
  });

  it('is not taken for the truth, when it is the source', async () => {
    const migration = scene.startToFail('undo-refused', '--hold');
    const job = await migration.job();
    await migration.event('synchronized');
    await migration.ask('undo');
    await migration.event('decision');
    await migration.kill();
    const directory = join(scratch.stateDirectory, 'jobs', job);
    const word = await readWord(directory, await requireRecord(directory, job));
    expect(word.phase).toBe(jobPhases.undoing);
    await scene.expectSeen(nothing, nothing);
    expect(await Migration.recover(scratch).end()).toMatchObject({ exitCode: 8 });
    await scene.expectSeen(scene.known, nothing);
  });
});

describe.skipIf(!isRoot)('a job whose users have to stop (needs root)', () => {
  useScene('ext4');

  it('asks programs what they see of the disks before, and never while they are stopped', async () => {
    const target = await scratch.makeDirectory('mounted');
    await mount(scene.source.path, target);
    const asked = scratch.path('asked');
    vi.stubEnv('PATH', `${await makeSpy(scratch, { target, asked })}:${process.env['PATH'] ?? ''}`);
    const migration = scene.start();
    vi.unstubAllEnvs();
    expect(await migration.end()).toMatchObject({ exitCode: 0 });
    await unmount(target);
    const answers = readFileSync(asked, 'utf8').trim().split('\n');
    expect(new Set(answers)).toEqual(new Set(['mounted']));
    await scene.expectSeen(nothing, scene.known);
  });

  it('is refused with nothing written when something would stay known, also where nobody has to stop', async () => {
    const before = [scene.source, scene.destination].map(({ file }) => readFileSync(file));
    vi.stubEnv('PATH', `${await makeLiar(scratch)}:${process.env['PATH'] ?? ''}`);
    const migration = scene.start();
    vi.unstubAllEnvs();
    expect(await migration.end()).toMatchObject({ exitCode: 3 });
    expect(migration.events.at(-1)).toMatchObject({ code: 'identity-not-hidden', dataIs: 'untouched' });
    const after = [scene.source, scene.destination].map(({ file }) => readFileSync(file));
    expect(after.every((bytes, index) => bytes.equals(before[index] ?? Buffer.of()))).toBe(true);
  });

  it('is refused with nothing written when something would stay known, and its users go on', async () => {
    const target = await scratch.makeDirectory('mounted');
    await mount(scene.source.path, target);
    const before = readFileSync(scene.destination.file);
    vi.stubEnv('PATH', `${await makeLiar(scratch)}:${process.env['PATH'] ?? ''}`);
    const migration = scene.start();
    vi.unstubAllEnvs();
    expect(await migration.end()).toMatchObject({ exitCode: 3 });
    expect(migration.events.at(-1)).toMatchObject({
      ...{ event: 'failed', code: 'identity-not-hidden', dataIs: 'untouched' },
      message: expect.stringContaining('mdadm sees an old array') as string,
    });
    expect(migration.events.map(({ event }) => event)).not.toContain('interrupted');
    expect(readFileSync(scene.destination.file).equals(before)).toBe(true);
    expect(await findMount(target)).toMatchObject({ source: scene.source.path });
    await unmount(target);
    expect(await seenAlone(scratch, scene.source)).toEqual(scene.known);
  });
});

interface Spied {
  readonly target: string;
  readonly asked: string;
}

/** A folder for the path, with a wipefs that notes whether the volume is mounted when it is asked. */
async function makeSpy(scratch: Scratch, { target, asked }: Spied): Promise<string> {
  const state = `grep -q " ${target} " /proc/self/mounts && echo mounted || echo stopped`;
  const real = (await runCommand('sh', ['-c', 'command -v wipefs'], 'finding wipefs')).trim();
  return makeProgram(scratch, 'wipefs', `{ ${state}; } >> ${asked}\nexec ${real} "$@"`);
}

/** One with an mdadm that recognises everything. */
function makeLiar(scratch: Scratch): Promise<string> {
  return makeProgram(scratch, 'mdadm', 'echo an old array');
}

async function makeProgram(scratch: Scratch, name: string, body: string): Promise<string> {
  const folder = await scratch.makeDirectory('programs');
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return folder;
}
