/**
 * The kinds of test that vitest runs: `unit` needs nothing but the built addon; `system` uses real devices
 * as root, one file at a time, because loop devices and mounts belong to the whole machine; `guest` does so
 * in a virtual machine whose kernel has what the host's may lack (`npm run test:guest`); `ui` shows the wizard in
 * Chromium, over loop disks.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
          // Properties are checked on thousands of cases; on a busy machine that takes longer than the usual five seconds.
          testTimeout: 60_000,
          expect: { poll: { timeout: 30_000 } },
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['tests/system/**/*.test.ts'],
          globalSetup: ['tests/bundled-program.ts'],
          // After the unit tests: they would disturb each other's timing on a small machine.
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'ui',
          include: ['tests/ui/**/*.test.ts'],
          sequence: { groupOrder: 3 },
          maxWorkers: 1,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'guest',
          include: ['tests/guest/**/*.test.ts'],
          setupFiles: ['tests/guest/require-guest.ts'],
          sequence: { groupOrder: 2 },
          maxWorkers: 1,
          // To load everything anew for each file takes longer there than many of the tests.
          isolate: false,
          // Filled on the host (tests/guest/run.ts), where it takes seconds to transform them all.
          experimental: { fsModuleCache: true, fsModuleCachePath: 'build/guest-modules' },
          // Longer than waits have (tests/system/support/wait.ts), so that these say what was waited for.
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
