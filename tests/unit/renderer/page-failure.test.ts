import { expect, test, vi } from 'vitest';
import { PageFailure } from '../../../renderer/components/page-failure.tsx';

test('a page that has failed tells the console where', () => {
  const told = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const error = new Error('no such disk');
  new PageFailure({ children: null, loadAgain: () => undefined }).componentDidCatch(error, { componentStack: 'at Disks' });
  expect(told.mock.calls).toEqual([['the page has failed:', error, 'at Disks']]);
  told.mockRestore();
});
