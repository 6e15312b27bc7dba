import { describe, expect, it } from 'vitest';
import { hasModule, loadModule } from '../../../app/devices/kernel-module.ts';

describe('a module that no kernel has', () => {
  it('is not there', async () => {
    expect(await hasModule('diskferry_no_such_module')).toBe(false);
  });

  it('cannot be loaded, and the error names it', async () => {
    await expect(loadModule('diskferry_no_such_module')).rejects.toThrow(/diskferry_no_such_module/);
  });
});
