/** Jobs that fail at a step of the guard: see mask-fault.cjs, which the program loads. */
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import type { Migration } from './migration.ts';

const maskFault = fileURLToPath(new URL('mask-fault.cjs', import.meta.url));

export function failing(fault: string, start: () => Migration): Migration {
  vi.stubEnv('NODE_OPTIONS', `--require ${maskFault}`);
  vi.stubEnv('MASK_FAULT', fault);
  const migration = start();
  vi.unstubAllEnvs();
  return migration;
}
