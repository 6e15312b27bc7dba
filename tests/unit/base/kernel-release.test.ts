import { expect, test } from 'vitest';
import { isKernelSince } from '../../../app/base/kernel-release.ts';

test.each([
  ['6.12.94+deb13-cloud-amd64', true],
  ['6.12', true],
  ['6.11.9-generic', false],
  ['6.9.1', false],
  ['7.0.0', true],
  ['5.14.0-503.el9.x86_64', false],
  ['something else', false],
])('a kernel %s is one since 6.12: %s', (kernelRelease, isSince) => {
  expect(isKernelSince(6, 12, kernelRelease)).toBe(isSince);
});
