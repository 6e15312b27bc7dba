import { expect, test } from 'vitest';
import { toolFailed } from '../../../../app/devices/allocated/unknown.ts';

test('a tool that failed is quoted by what it said last, not by its banner', () => {
  const stderr = 'dumpe2fs 1.47.0 (5-Feb-2023)\ndumpe2fs: Bad magic number in super-block\n';
  const { message } = toolFailed('dumpe2fs', { exitCode: 1, stderr });
  expect(message).toBe('dumpe2fs ended with 1: dumpe2fs: Bad magic number in super-block');
});

test('a tool that failed without a word is quoted by its exit code', () => {
  expect(toolFailed('dumpe2fs', { exitCode: 1, stderr: '' }).message).toBe('dumpe2fs ended with 1');
});
