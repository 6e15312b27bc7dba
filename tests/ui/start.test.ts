/** `npm start` where there is no display: says so, and serves the same wizard in a browser. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { waitUntil } from '../system/support/wait.ts';

const script = resolve(import.meta.dirname, '../../resources/start.mjs');

it('serves the wizard where there is no display, and ends with Ctrl-C', async () => {
  const env = { ...process.env, DISPLAY: undefined, WAYLAND_DISPLAY: undefined, ELECTRON_PATH: process.execPath };
  const start = spawn(process.execPath, [script, '--json'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  start.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()));
  start.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()));
  const end = new Promise((ended) => start.once('exit', ended));
  try {
    await waitUntil('the link is told', () => said.stdout.includes('\n'));
    expect(said.stderr).toContain('there is no display: the wizard is shown in a browser');
    const { url } = JSON.parse(said.stdout) as { url: string };
    expect((await fetch(url)).status).toBe(200);
  } finally {
    start.kill('SIGINT');
  }
  expect(await end).toBe(0);
});
