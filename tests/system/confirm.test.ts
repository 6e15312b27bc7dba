/** The question before the start, at a real terminal: what happens while the person thinks about it. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mebibyte } from '../../app/base/units.ts';
import { runCommand } from '../../app/devices/command.ts';
import { makeFileSystem, mount, unmount } from './support/file-system.ts';
import type { LoopDisk } from './support/loop-disk.ts';
import { attachLoopDisk, makeImage, makeLoopDisk, readPart } from './support/loop-disk.ts';
import { useScratch } from './support/scratch.ts';
import { Terminal } from './support/terminal.ts';

const isRoot = process.getuid?.() === 0;
const scratchOf = useScratch();
const sizeBytes = 32 * mebibyte;

function migrate(source: string, destination: string): Terminal {
  const scratch = scratchOf();
  const disks = ['--source', source, '--destination', destination];
  return Terminal.start(scratch, 'migrate', ...disks, '--state-dir', scratch.stateDirectory);
}

async function makeDisks(): Promise<{ source: LoopDisk; destination: LoopDisk }> {
  const scratch = scratchOf();
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
  return { source, destination: await makeLoopDisk(scratch, 'destination', { sizeBytes }) };
}

describe.skipIf(!isRoot)('a plan that is confirmed at a terminal (needs root)', () => {
  it('is carried out', async () => {
    const { source, destination } = await makeDisks();
    const terminal = migrate(source.path, destination.path);
    await terminal.shows('Type "yes"');
    terminal.type('yes\r');
    expect(await terminal.end()).toBe(0);
    expect(readPart(destination.path, 0, sizeBytes).equals(readPart(source.path, 0, sizeBytes))).toBe(true);
  });

  it('is refused when the source has come into use meanwhile in a way that no exclusive open shows', async () => {
    const scratch = scratchOf();
    const [source, destination] = [scratch.path('source.img'), scratch.path('destination.img')];
    for (const file of [source, destination]) makeImage(file, sizeBytes);
    const terminal = migrate(source, destination);
    await terminal.shows('Type "yes"');
    const loop = await attachLoopDisk(source, sizeBytes);
    terminal.type('yes\r');
    expect(await terminal.end()).toBe(3);
    expect(terminal.screen).toContain(`in use by the loop device ${loop.path}`);
    expect(existsSync(scratch.stateDirectory)).toBe(false);
  });

  it('is refused when the source has been mounted meanwhile, although it can be moved so', async () => {
    const { source, destination } = await makeDisks();
    await makeFileSystem('ext4', source.path);
    const target = await scratchOf().makeDirectory('volume');
    const terminal = migrate(source.path, destination.path);
    await terminal.shows('Type "yes"');
    await mount(source.path, target);
    terminal.type('yes\r');
    expect(await terminal.end()).toBe(3);
    expect(terminal.screen.replaceAll(/\s+/g, ' ')).toContain(`is mounted on ${target}`);
    await unmount(target);
  });

  it('is refused when the file system of the destination has been made meanwhile', async () => {
    const { source, destination } = await makeDisks();
    const terminal = migrate(source.path, destination.path);
    await terminal.shows('Type "yes"');
    await runCommand('mkfs.ext4', ['-q', destination.path], 'making a file system');
    terminal.type('yes\r');
    expect(await terminal.end()).toBe(3);
    expect(terminal.screen).toContain('is not the disk that the plan was made for');
    expect(existsSync(scratchOf().stateDirectory)).toBe(false);
  });
});
