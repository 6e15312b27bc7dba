import { expect, test } from 'vitest';
import { isOtherBuild } from '../../../app/base/build-id.ts';

test.each([
  ['the same build', 'a', 'a', false],
  ['another build', 'b', 'a', true],
  ['an older one, which says nothing of its build', undefined, 'a', true],
  ['a source, which is of no build', null, 'a', false],
  ['any build, by a source', 'b', null, false],
])('an order of %s', (_, other, own, expected) => {
  expect(isOtherBuild(other, own)).toBe(expected);
});
