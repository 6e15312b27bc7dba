import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, constants, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { builtFile } from '../../../app/base/built-file.ts';
import { readSysfsDevices } from '../../../app/devices/sysfs.ts';
import { followAs } from '../../../app/service/named-path.ts';

const isRoot = process.geteuid?.() === 0;
const nobody = { processId: 1, userId: 65_534, groupId: 65_534 };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-named-'));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true }));

const inDirectory = (name: string): string => join(directory, name);

/** As nobody for the kernel. */
function asNobody<T>(act: () => T): T {
  process.seteuid?.(nobody.userId);
  try {
    return act();
  } finally {
    process.seteuid?.(0);
  }
}

describe.skipIf(!isRoot)('followAs', () => {
  test('follows a link of a user to a device, and gives its own node', async () => {
    const device = readSysfsDevices().find(({ path }) => path.startsWith('/dev/loop'));
    symlinkSync(device?.path ?? '', inDirectory('link'));
    expect(await followAs(nobody, inDirectory('link'))).toEqual({
      path: device?.path,
      named: inDirectory('link'),
      majorMinor: device?.majorMinor,
    });
  });

  test.each([
    ['what is not there', () => inDirectory('none'), 'cannot follow this path: ENOENT'],
    ['what lies in a folder of others', () => join(closedFolder(), 'file'), 'cannot follow this path: EACCES'],
    ['a file', () => fileIn(directory), 'it is a file'],
    ['a folder', () => directory, 'it is no block device'],
  ])('refuses %s', async (_, path, why) => {
    await expect(followAs(nobody, path())).rejects.toMatchObject({
      code: 'path-not-yours',
      message: expect.stringContaining(why),
    });
  });

  test('looks for nobody as root', async () => {
    await expect(followAs({ ...nobody, userId: 0 }, directory)).rejects.toMatchObject({ code: 'path-not-yours' });
  });
});

function fileIn(folder: string): string {
  writeFileSync(join(folder, 'file'), '');
  return join(folder, 'file');
}

function closedFolder(): string {
  mkdirSync(inDirectory('closed'), { mode: 0o700 });
  fileIn(inDirectory('closed'));
  return inDirectory('closed');
}

/** A pipe that nobody reads: whoever writes there waits. */
function fullPipe(path: string): number {
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096));
  } catch {
    return fd; // there is no room left
  }
}

test.skipIf(!isRoot)("the process that looks is out of its user's reach", async () => {
  const kept = fullPipe(inDirectory('pipe'));
  const waiting = openSync(inDirectory('pipe'), constants.O_WRONLY);
  const words = ['look', '65534', '65534', '/'];
  const looker = spawn(builtFile('native/diskferry-harden'), words, { stdio: ['ignore', waiting, 'inherit'] });
  const folder = `/proc/${looker.pid ?? 0}`;
  // It is the user's by now, and waits for somebody who reads.
  await expect.poll(() => readFileSync(`${folder}/status`, 'utf8')).toMatch(/^Uid:\t65534\t65534\t65534/m);
  expect(readFileSync(`${folder}/oom_score_adj`, 'utf8')).toBe('0\n');
  // The kernel asks the same before it lets anybody trace it.
  expect(() => asNobody(() => readlinkSync(`${folder}/exe`))).toThrow('EACCES');
  const ended = once(looker, 'exit');
  looker.kill('SIGKILL');
  await ended;
  for (const fd of [kept, waiting]) closeSync(fd);
});
