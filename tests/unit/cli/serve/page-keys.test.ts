import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PageKeys, tokenMsMax } from '../../../../app/cli/serve/page-keys.ts';

const nonce = 'b'.repeat(64);

function signed(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

describe('the keys of pages', () => {
  test('let a link in for ten minutes and no longer, also when it was begun in time', () => {
    let nowMs = 1000;
    const keys = new PageKeys(() => nowMs);
    const token = keys.newToken();
    const begin = () => keys.begin(signed(token, 'name'), nonce);
    nowMs += tokenMsMax - 1;
    const opening = begin();
    expect(opening).toBeDefined();
    nowMs += 1;
    expect(begin()).toBeUndefined();
    expect(opening?.finish(signed(token, `page ${nonce} ${opening.nonce}`))).toBeUndefined();
  });

  test('let one of two in who open the same link at once', () => {
    const keys = new PageKeys();
    const token = keys.newToken();
    const openings = [0, 1].map(() => keys.begin(signed(token, 'name'), nonce));
    const finish = (opening: (typeof openings)[number]) =>
      opening?.finish(signed(token, `page ${nonce} ${opening.nonce}`));
    expect(openings.map(finish).map((session) => session !== undefined)).toEqual([true, false]);
  });

  test('keep the session of a page that is open, however many links are opened after it', () => {
    const keys = new PageKeys();
    const enter = (key: string) => {
      const opening = keys.begin(signed(key, 'name'), nonce);
      const page = opening?.finish(signed(key, `page ${nonce} ${opening.nonce}`));
      return { page, session: signed(key, `session ${nonce} ${opening?.nonce ?? ''}`) };
    };
    const open = enter(keys.newToken());
    const closed = enter(keys.newToken());
    closed.page?.leave();
    for (let count = 0; count < 40; count += 1) enter(keys.newToken()).page?.leave();
    expect(enter(closed.session).page).toBeUndefined();
    const again = enter(open.session);
    expect(again.page).toBeDefined();
    // The page is gone only when both of its connections are.
    open.page?.leave();
    for (let count = 0; count < 40; count += 1) enter(keys.newToken()).page?.leave();
    expect(enter(open.session).page).toBeDefined();
  });

  test('ask each page for something that nobody has signed before', () => {
    const keys = new PageKeys();
    const token = keys.newToken();
    const nonces = Array.from({ length: 20 }, () => keys.begin(signed(token, 'name'), nonce)?.nonce);
    expect(new Set(nonces).size).toBe(20);
  });
});
