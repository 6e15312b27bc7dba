/**
 * `npm start` where there is no display: says so, and serves the same wizard in a browser. And with disks of its own,
 * of which nothing is left.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../../app/devices/command.ts';
import { useScratch } from '../system/support/scratch.ts';
import { waitUntil } from '../system/support/wait.ts';
import { hasChromium, useBrowser } from './support/browser.ts';
import { WizardWindow } from './support/wizard-window.ts';

const script = resolve(import.meta.dirname, '../../resources/start.mjs');
const isRoot = process.getuid?.() === 0;
const scratch = useScratch();
const browser = useBrowser();

interface Started {
  readonly links: () => string[];
  readonly said: { readonly stderr: string };
  readonly enter: () => void;
  /** By Ctrl-C; returns the exit code. */
  readonly stop: () => Promise<number | null>;
}

async function start(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Started> {
  const env = { ...process.env, DISPLAY: undefined, WAYLAND_DISPLAY: undefined, ELECTRON_PATH: process.execPath, ...environment };
  const child = spawn(process.execPath, [script, '--json', ...parameters], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()));
  const end = new Promise<number | null>((ended) => child.once('exit', ended));
  scratch().onRelease('npm start', async () => {
    child.kill('SIGINT');
    await end;
  });
  await waitUntil('the link is told', () => said.stdout.includes('\n') || child.exitCode !== null);
  return {
    links: () => said.stdout.trim().split('\n').map((line) => (JSON.parse(line) as { url: string }).url),
    said,
    enter: () => void child.stdin.write('\n'),
    stop: () => {
      child.kill('SIGINT');
      return end;
    },
  };
}

it('serves the wizard where there is no display, shows a new link on Enter, and ends with Ctrl-C', async () => {
  const { links, said, enter, stop } = await start([]);
  expect(said.stderr).toContain('there is no display: the wizard is shown in a browser');
  expect((await fetch(links()[0] ?? '')).status).toBe(200);
  enter();
  await waitUntil('another link is told', () => links().length > 1);
  expect(new Set(links()).size).toBe(2);
  expect(await stop()).toBe(0);
});

it.skipIf(!isRoot || !hasChromium)('offers two disks of its own in the demo, and leaves nothing of it (needs root and chromium)', async () => {
  const room = scratch().path('room');
  mkdirSync(room);
  const { links, stop } = await start(['--demo'], { TMPDIR: room });
  const window = await WizardWindow.open(await browser(), links()[0] ?? '');
  await window.press('Move a disk…');
  const rows = window.page.getByRole('row');
  await rows.first().waitFor();
  expect(await rows.count()).toBe(2);
  await rows.filter({ hasText: 'demo' }).first().click();
  await window.press('Continue');
  await window.see('Where should it go?');
  await rows.last().click();
  await window.press('Continue');
  await window.page.getByText('The cut-over, step by step').waitFor();
  await window.press('Continue');
  await window.press(/^Erase/);
  await window.see('Everything has crossed');
  // In the middle of a move.
  expect(await stop()).toBe(0);
  expect(readdirSync(room)).toEqual([]);
  expect(await runCommand('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], 'looking')).not.toContain(room);
  expect(await runCommand('findmnt', ['--list', '--noheadings', '--output', 'TARGET'], 'looking')).not.toContain(room);
});
