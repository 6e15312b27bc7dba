/** `npm start` where there is no display: says so, and serves the same wizard in a browser. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { waitUntil } from '../system/support/wait.ts';

const script = resolve(import.meta.dirname, '../../resources/start.mjs');

it('serves the wizard where there is no display, shows a new link on Enter, and ends with Ctrl-C', async () => {
  const env = { ...process.env, DISPLAY: undefined, WAYLAND_DISPLAY: undefined, ELECTRON_PATH: process.execPath };
  const start = spawn(process.execPath, [script, '--json'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  start.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()));
  start.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()));
  const end = new Promise((ended) => start.once('exit', ended));
  try {
    await waitUntil('the link is told', () => said.stdout.includes('\n'));
    expect(said.stderr).toContain('there is no display: the wizard is shown in a browser');
    const links = (): string[] => {
      const lines = said.stdout.trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as { url: string }).url);
    };
    expect((await fetch(links()[0] ?? '')).status).toBe(200);
    start.stdin.write('\n');
    await waitUntil('another link is told', () => said.stdout.trim().includes('\n'));
    expect(new Set(links()).size).toBe(2);
  } finally {
    start.kill('SIGINT');
  }
  expect(await end).toBe(0);
});
