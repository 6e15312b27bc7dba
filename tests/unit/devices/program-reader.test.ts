import { describe, expect, it } from 'vitest';
import { runReader } from '../../../app/devices/program.ts';

describe('runReader', () => {
  it('hands over each line of both outputs, and returns the exit code', async () => {
    const lines: string[] = [];
    const onLine = (line: string): void => void lines.push(line);
    const { signal } = new AbortController();
    const exitCode = await runReader('sh', ['-c', 'echo one; echo two >&2; printf "three\\rfour"; exit 3'], { onLine, signal });
    expect(exitCode).toBe(3);
    expect(lines.toSorted()).toEqual(['four', 'one', 'three', 'two']);
  });

  it('ends the program by the signal', async () => {
    const stopped = new AbortController();
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const run = runReader('sh', ['-c', 'echo begun; exec sleep 3600'], { onLine: () => begun(), signal: stopped.signal });
    await hasBegun;
    stopped.abort();
    await expect(run).rejects.toThrow('sh: ended by SIGKILL');
  });

  it('does not begin behind the signal', async () => {
    const stopped = new AbortController();
    stopped.abort();
    const run = runReader('sleep', ['3600'], { onLine: () => undefined, signal: stopped.signal });
    await expect(run).rejects.toThrow('ended by SIGKILL');
  });

  it('says that there is no such program', async () => {
    const { signal } = new AbortController();
    await expect(runReader('no-such-program', [], { onLine: () => undefined, signal })).rejects.toMatchObject({
      code: 'program-missing',
    });
  });
});
