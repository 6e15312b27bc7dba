/**
 * Signals to the whole process group, as a terminal sends them, while programs are being started: none of the
 * programs is hit, not even in the moment in which it still belongs to the group.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';

const startsMax = 300;
/** Starts one program after the other, as often as `startsMax`, and says how many ended as they should. */
const starter = `
  import { runProgram } from './app/devices/program.ts';
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => undefined);
  process.stdout.write('ready ');
  let ended = 0;
  for (let count = 0; count < ${startsMax}; count += 1) ended += (await runProgram('true', [])).exitCode === 0 ? 1 : 0;
  process.stdout.write(String(ended));
`;

describe('programs of the system', () => {
  it('are out of reach of signals to our group from the very start', async () => {
    const parameters = ['--import', 'tsx', '--input-type=module', '--eval', starter];
    const child = spawn(process.execPath, parameters, {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const said = text(child.stdout);
    const pid = child.pid ?? NaN;
    await once(child.stdout, 'readable');
    const exited = once(child, 'exit');
    const bombarding = setInterval(() => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.kill(-pid, signal);
    });
    await exited.finally(() => clearInterval(bombarding));
    expect(await said).toBe(`ready ${startsMax}`);
  });
});
