import { describe, expect, test } from 'vitest';
import { runProgramHead } from '../../../app/devices/program.ts';

describe('runProgramHead', () => {
  test('gives nothing of a program that says nothing, however long it takes to end', async () => {
    expect(await runProgramHead('sh', ['-c', 'exec >&-; sleep 0.3; exit 1'], 4)).toEqual(Buffer.of());
  });

  test('ends a program that would say more', async () => {
    expect(await runProgramHead('yes', [], 4)).toEqual(Buffer.from('y\ny\n'));
  });
});
