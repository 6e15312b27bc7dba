/**
 * A move of one loop disk to another through the wizard, as the tests of whole moves set it: the service, the window,
 * both disks, and the steps that a person takes on the way.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { expect } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { StatusLine } from '../../../app/contract/control.ts';
import { runCommand } from '../../../app/devices/command.ts';
import type { LoopDisk } from '../../system/support/loop-disk.ts';
import { attachLoopDisk, makeImage, makeLoopDisk, readPart } from '../../system/support/loop-disk.ts';
import type { Scratch } from '../../system/support/scratch.ts';
import { haveAllLeft, Service } from '../../system/support/service.ts';
import { waitUntil } from '../../system/support/wait.ts';
import type { WindowOptions } from './wizard-window.ts';
import { Serving, WizardWindow } from './wizard-window.ts';

export const sizeBytes = 128 * mebibyte;
/** What programs write while a job is paused: over what is on the source only. */
const written = { offsetBytes: 64 * mebibyte, bytes: Buffer.alloc(40 * mebibyte, 'new!') };

export interface Disks {
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
}

export interface Stage extends Disks {
  readonly scratch: Scratch;
  readonly service: Service;
  readonly window: WizardWindow;
}

export interface StageOptions extends WindowOptions {
  /** Where the destination's image lies instead of in the scratch. */
  readonly destinationDirectory?: string;
}

/** With the window in a browser. */
export async function setUp(scratch: Scratch, browser: Browser, options: StageOptions = {}): Promise<Stage> {
  const service = await Service.start(scratch);
  const disks = await makeDisks(scratch, options);
  const window = await WizardWindow.open(browser, await new Serving(service).link(), options);
  return { scratch, service, window, ...disks };
}

/** The destination holds an empty file system, so that the wizard asks before it erases it. */
export async function makeDisks(scratch: Scratch, options: StageOptions = {}): Promise<Disks> {
  const source = await makeLoopDisk(scratch, 'source', { sizeBytes, content: 'random' });
  const file = `${options.destinationDirectory ?? scratch.path('.')}/destination.img`;
  makeImage(file, sizeBytes + 64 * mebibyte);
  const destination = await attachLoopDisk(file, sizeBytes + 64 * mebibyte);
  await runCommand('mkfs.ext4', ['-q', '-L', 'old', destination.path], 'making what will be erased');
  return { source, destination };
}

/** Another client pauses the job as soon as it is heard of, so that it stands still while it is looked at. */
export async function pauseAtStart(service: Service): Promise<() => void> {
  const client = await service.client({
    onEvent: ({ event, job }) => {
      // A refusal shows in the window, which waits for the pause.
      if (event === 'planned') void client.request('pause', { job }).catch(() => undefined);
    },
  });
  await client.request('subscribe', { job: null });
  return () => client.close();
}

/** As a program does that uses the volume. */
export async function writeMeanwhile({ service, window }: Stage): Promise<void> {
  const fd = openSync(await deviceOf(service), 'r+');
  writeSync(fd, written.bytes, 0, written.bytes.length, written.offsetBytes);
  fsyncSync(fd);
  closeSync(fd);
  await window.page.getByRole('listitem').filter({ hasText: 'written since the start 40 MiB' }).waitFor();
}

/** A job can be paused before its device is there. */
export async function deviceOf(service: Service): Promise<string> {
  const found = async (): Promise<string | null> => (await jobOf(service))?.device ?? null;
  await waitUntil('the virtual device is there', async () => (await found()) !== null);
  return (await found()) ?? '';
}

export async function jobOf(service: Service): Promise<StatusLine | undefined> {
  const client = await service.client();
  const { jobs } = await client.request('list', {});
  client.close();
  return jobs[0];
}

/** Before anything was written to it. */
export function contentOf({ source }: Stage): Buffer {
  return readPart(source.file, 0, sizeBytes);
}

export function withWritten(content: Buffer): Buffer {
  const changed = Buffer.from(content);
  written.bytes.copy(changed, written.offsetBytes);
  return changed;
}

/** The last thing that a job does comes after what people see of its end. */
export async function allLeft({ scratch }: Stage): Promise<void> {
  await waitUntil('the job has left', () => haveAllLeft(scratch));
}

/** Compared so that a difference does not print both. */
export function expectHolds(disk: LoopDisk, content: Buffer): void {
  expect(readPart(disk.file, 0, sizeBytes).equals(content), `${disk.path} holds what it must`).toBe(true);
}

export async function goToPlan({ window, source, destination }: Stage): Promise<void> {
  await window.press('Move a disk…');
  await window.see('What do you want to move?');
  await window.choose(source.path);
  await window.press('Continue');
  await window.see('Where should it go?');
  await window.choose(destination.path);
  await window.press('Continue');
  await window.see('What will happen');
}

export async function confirm({ window, destination }: Stage): Promise<void> {
  await window.press('Continue');
  await window.see(/^Erase/);
  await window.page.getByLabel(/to confirm/).fill(destination.path);
  await window.press(/^Erase/);
  await window.see(/^Moving/);
}

export async function pressStop({ window }: Stage): Promise<void> {
  await window.press('Stop…');
  await window.page.getByRole('alertdialog').getByRole('button', { name: 'Go back to the source' }).click();
}
