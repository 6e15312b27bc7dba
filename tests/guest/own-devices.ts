/**
 * No test leaves a device of ours. Looked at once what the test itself has made is gone, as part of the scratch's
 * release: a hook of its own that fails would keep the scratch from being released, and all tests after it would fail.
 */
import { beforeEach, expect } from 'vitest';
import { ownDevices } from '../../app/devices/device-mapper.ts';
import type { Scratch } from '../system/support/scratch.ts';

/** For each test of the file, or of the `describe`, that calls it. */
export function expectNoDevicesLeft(scratch: () => Scratch): void {
  beforeEach(() => {
    scratch().onRelease('what jobs have made of device-mapper', async () => {
      expect(await ownDevices()).toEqual([]);
    });
  });
}
