/**
 * Who has a disk open for writing: also who has opened it without claiming it, which the kernel keeps from
 * nobody.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { majorMinorOf } from '../../../app/devices/block-device.ts';
import type { Storage } from '../../../app/devices/overlap.ts';
import { findWritersOf } from '../../../app/devices/processes.ts';

let directory = '';
let child: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-writers-'));
});

afterEach(async () => {
  if (child?.exitCode === null) {
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
  }
  child = undefined;
  rmSync(directory, { recursive: true });
});

function makeFile(name: string): { path: string; storage: Storage } {
  const path = join(directory, name);
  writeFileSync(path, 'content');
  const stat = statSync(path, { bigint: true });
  const file = { device: majorMinorOf(stat.dev), inode: Number(stat.ino) };
  return { path, storage: { kind: 'file', file, path } };
}

/** Ends with its stdin. `redirection`: as bash takes it. */
async function hold(redirection: string): Promise<number | undefined> {
  child = spawn('bash', ['-c', `exec 9${redirection}; echo ready; read`], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout !== null) await once(child.stdout, 'data');
  return child.pid;
}

it('finds a process that has one of several open for writing, and which', async () => {
  const [one, two] = [makeFile('one'), makeFile('two')];
  const pid = await hold(`<>"${two.path}"`);
  expect(await findWritersOf([one.storage, two.storage])).toEqual([
    { pid, command: 'bash', how: 'open file', path: two.path },
  ]);
  expect(await findWritersOf([one.storage])).toEqual([]);
});

it('finds no readers', async () => {
  const { path, storage } = makeFile('one');
  await hold(`<"${path}"`);
  expect(await findWritersOf([storage])).toEqual([]);
});
