import { describe, expect, test } from 'vitest';
import { refusedTokenCode } from '../../../app/contract/bridge.ts';
import type { PageSurroundings } from '../../../renderer/bridge/web-socket-port.ts';
import { WebSocketPort } from '../../../renderer/bridge/web-socket-port.ts';

/** The host's end of the page's WebSocket. */
class HostEnd {
  readonly heard: unknown[] = [];
  onopen: () => void = () => {};
  onmessage: (message: { data: string }) => void = () => {};
  onclose: (event: { code: number }) => void = () => {};

  send(text: string): void {
    this.heard.push(JSON.parse(text));
  }

  say(frame: object): void {
    this.onmessage({ data: JSON.stringify(frame) });
  }
}

function makePage(hash = '') {
  const ends: HostEnd[] = [];
  const stored = new Map<string, string>();
  const shown: unknown[] = [];
  const later: (() => void)[] = [];
  const surroundings: PageSurroundings = {
    connect: (url) => {
      shown.push(url);
      const end = new HostEnd();
      ends.push(end);
      return end as unknown as WebSocket;
    },
    location: { host: '127.0.0.1:5', hash, pathname: '/' },
    history: { replaceState: (_: unknown, __: string, url: unknown) => void shown.push(url) },
    storage: {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    },
    later: (act) => void later.push(act),
  };
  const end = (index: number): HostEnd => {
    const made = ends[index];
    if (made === undefined) throw new Error(`there is no connection ${index}`);
    return made;
  };
  return { surroundings, end, shown, later };
}

describe('the page of a browser', () => {
  test('opens itself with the token of its link, hides that, and comes back with its session', () => {
    const page = makePage('#token');
    new WebSocketPort(page.surroundings);
    expect(page.shown).toEqual(['/', 'ws://127.0.0.1:5/bridge']);
    page.end(0).onopen();
    page.end(0).say({ kind: 'opened', session: 'session' });
    page.end(0).onclose({ code: 1006 });
    page.later[0]?.();
    page.end(1).onopen();
    expect([page.end(0).heard, page.end(1).heard]).toEqual([
      [{ kind: 'open', token: 'token' }],
      [{ kind: 'open', token: 'session' }],
    ]);
  });

  test('gives each question its own answer, in whatever order they come', async () => {
    const page = makePage();
    const port = new WebSocketPort(page.surroundings);
    page.end(0).say({ kind: 'opened', session: 's' });
    const answers = [port.ask('list', {}), port.ask('devices', {})];
    const done = (result: number) => ({ outcome: 'done', result });
    page.end(0).say({ kind: 'answer', id: 1, answer: done(1) });
    page.end(0).say({ kind: 'answer', id: 0, answer: done(0) });
    expect(await Promise.all(answers)).toEqual([done(0), done(1)]);
  });

  test('keeps nobody waiting when the host goes, and says so', async () => {
    const page = makePage();
    const port = new WebSocketPort(page.surroundings);
    const heard: unknown[] = [];
    page.end(0).say({ kind: 'opened', session: 's' });
    const answer = port.ask('list', {});
    page.end(0).onclose({ code: 1006 });
    port.listen((message) => heard.push(message));
    const refused = { outcome: 'refused', refusal: { code: 'no-service' } };
    expect(await answer).toMatchObject(refused);
    expect(await port.ask('list', {})).toMatchObject(refused);
    expect(heard).toMatchObject([{ kind: 'service', service: { state: 'host-gone' } }]);
  });

  test('does not try again with a link that is not valid', () => {
    const page = makePage('#used');
    const port = new WebSocketPort(page.surroundings);
    page.end(0).onclose({ code: refusedTokenCode });
    const heard: unknown[] = [];
    port.listen((message) => heard.push(message));
    expect(page.later).toEqual([]);
    expect(heard).toMatchObject([{ service: { refusal: { code: 'not-authorised' } } }]);
  });
});
