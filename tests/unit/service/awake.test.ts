import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Awake, powerNotes } from '../../../app/service/awake.ts';

let directory: string;
let said: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-awake-'));
  said = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

/** In the place of systemd-inhibit: notes what it was asked for, then does as the script says. */
function inhibitor(script: string): string {
  const path = join(directory, 'inhibit');
  writeFileSync(path, `#!/bin/sh\necho "$@" >>${directory}/asked\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** With no descriptor to be had. What is started in `act` is refused with EMFILE. */
function withoutDescriptors(act: () => void): void {
  const limit = (files: number | string): Buffer =>
    execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${files}:`]);
  const shown = ['--nofile', '--noheadings', '-o', 'SOFT'];
  const before = execFileSync('prlimit', ['--pid', String(process.pid), ...shown]);
  const highest = Math.max(...readdirSync('/proc/self/fd').map(Number));
  // Room for what sets it back.
  limit(highest + 64);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    act(); // there are none left
  } finally {
    for (const fd of taken) closeSync(fd);
    limit(before.toString().trim());
  }
}

describe('Awake', () => {
  test('tries again what has failed, and says it once', async () => {
    const program = inhibitor(`[ -e ${directory}/is-up ] || exit 1; exec cat`);
    const awake = new Awake((text) => said.push(text), program, 20);
    awake.follow(1);
    await expect.poll(() => readFileSync(join(directory, 'asked'), 'utf8').split('\n').length).toBeGreaterThan(3);
    expect(said).toHaveLength(1);
    writeFileSync(join(directory, 'is-up'), '');
    await expect.poll(() => awake.isHeld && awake.notes().length === 0).toBe(true);
    awake.follow(0);
    expect(awake.isHeld).toBe(false);
  });

  test('holds one inhibitor while any job runs, and lets it go with the last', async () => {
    const awake = new Awake((text) => said.push(text), inhibitor(`cat; touch ${directory}/ended`));
    awake.follow(1);
    awake.follow(2);
    awake.follow(1);
    expect(awake.isHeld).toBe(true);
    expect(awake.notes()).toEqual([]);
    awake.follow(0);
    expect(awake.isHeld).toBe(false);
    await expect.poll(() => existsSync(join(directory, 'ended'))).toBe(true);
    const asked = readFileSync(join(directory, 'asked'), 'utf8');
    expect(asked).toBe(
      '--what=sleep:idle:shutdown:handle-lid-switch --mode=block ' +
        '--who=Diskferry --why=A disk is being moved cat\n',
    );
    expect(said).toEqual([]);
  });

  test.each([
    ['is refused', () => inhibitor('exit 1'), 'ended: 1'],
    ['is not there', () => join(directory, 'none'), 'ENOENT'],
  ])('says so when it %s, and tries again at the next job', async (_, program, why) => {
    const awake = new Awake((text) => said.push(text), program());
    awake.follow(1);
    await expect.poll(() => said).toHaveLength(1);
    expect(said[0]).toContain(why);
    expect(awake.isHeld).toBe(false);
    expect(awake.notes()).toEqual([expect.stringContaining('not kept awake')]);
    awake.follow(2);
    await expect.poll(() => said).toHaveLength(2);
    awake.follow(0);
    expect(awake.notes()).toEqual([]);
  });
});

test('says so when there is no descriptor left to ask with', async () => {
  const awake = new Awake((text) => said.push(text), inhibitor('cat'));
  withoutDescriptors(() => awake.follow(1));
  await expect.poll(() => said).toHaveLength(1);
  expect(said[0]).toContain('EMFILE');
  expect(awake.isHeld).toBe(false);
});

test.each([
  [['Charging'], 0],
  [['Full', 'Discharging'], 1],
  [[], 0],
])('power supplies that say %j give %i notes', (states, count) => {
  const folder = join(directory, 'power');
  for (const [index, state] of states.entries()) {
    mkdirSync(join(folder, `BAT${index}`), { recursive: true });
    writeFileSync(join(folder, `BAT${index}`, 'type'), 'Battery\n');
    writeFileSync(join(folder, `BAT${index}`, 'status'), `${state}\n`);
  }
  expect(powerNotes(folder)).toHaveLength(count);
});
