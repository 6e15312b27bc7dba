import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Opening } from '../../../app/cli/serve/page-keys.ts';
import { PageKeys } from '../../../app/cli/serve/page-keys.ts';
import { refusedTokenCode } from '../../../app/contract/bridge.ts';
import { Bridge } from '../../../renderer/bridge/bridge.ts';
import type { PageSurroundings } from '../../../renderer/bridge/web-socket-port.ts';
import { sign } from '../../../renderer/bridge/page-key.ts';
import { WebSocketPort } from '../../../renderer/bridge/web-socket-port.ts';

/** The host's end of the page's WebSocket. */
class HostEnd {
  readonly heard: Record<string, string>[] = [];
  isClosed = false;
  onopen: () => void = () => {};
  onmessage: (message: { data: string }) => void = () => {};
  onclose: (event: { code: number }) => void = () => {};

  send(text: string): void {
    this.heard.push(JSON.parse(text) as Record<string, string>);
  }

  close(): void {
    this.isClosed = true;
  }

  async hears(kind: string): Promise<Record<string, string>> {
    await expect.poll(() => this.heard.some((frame) => frame['kind'] === kind)).toBe(true);
    return this.heard.find((frame) => frame['kind'] === kind) ?? {};
  }

  /** As `serve` does it. */
  async letIn(keys: PageKeys): Promise<boolean> {
    const opening = await this.begins(keys);
    if (opening === undefined) return false;
    if (opening.finish((await this.hears('prove'))['proof'] ?? '') === undefined) return false;
    this.say({ kind: 'opened' });
    return true;
  }

  async begins(keys: PageKeys): Promise<Opening | undefined> {
    this.onopen();
    const { keyName = '', nonce = '' } = await this.hears('open');
    const opening = keys.begin(keyName, nonce);
    if (opening === undefined) this.onclose({ code: refusedTokenCode });
    else this.say({ kind: 'proof', nonce: opening.nonce, proof: opening.proof });
    return opening;
  }

  say(frame: object): void {
    this.onmessage({ data: JSON.stringify(frame) });
  }
}

function makePage(hash: string) {
  const ends: HostEnd[] = [];
  const stored = new Map<string, string>();
  const shown: unknown[] = [];
  /** Reconnections, the limits of connections that do not get open, and of open ones in which nothing is heard. */
  const [later, limits, silences]: [(() => void)[], (() => void)[], (() => void)[]] = [[], [], []];
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
    later: (act, delayMs) => void (delayMs === 1000 ? later : delayMs === 10_000 ? limits : silences).push(act),
  };
  const end = (index: number): HostEnd => {
    const made = ends[index];
    if (made === undefined) throw new Error(`there is no connection ${index}`);
    return made;
  };
  return { surroundings, end, shown, later, limits, silences, stored };
}

/** A page that its host has let in. */
async function makeOpenPage() {
  const keys = new PageKeys();
  const page = makePage(`#${keys.newToken()}`);
  const port = new WebSocketPort(page.surroundings);
  const heard: unknown[] = [];
  port.listen((message) => heard.push(message));
  expect(await page.end(0).letIn(keys)).toBe(true);
  return { ...page, keys, port, heard };
}

/** It waits for answers then, and refuses nothing by itself. */
async function isOpen(port: WebSocketPort): Promise<void> {
  await expect.poll(() => Promise.race([port.ask('logs', {}), Promise.resolve('waits')])).toBe('waits');
}

afterEach(() => {
  vi.restoreAllMocks();
});

const gone = { kind: 'service', service: { state: 'host-gone', refusal: { code: 'no-service' } } };
const refused = { outcome: 'refused', refusal: { code: 'no-service' } };

describe('the page of a browser', () => {
  test('opens itself with the token of its link, hides that, and comes back with its session', async () => {
    const keys = new PageKeys();
    const token = keys.newToken();
    const page = makePage(`#${token}`);
    new WebSocketPort(page.surroundings);
    expect(page.shown).toEqual(['/', 'ws://127.0.0.1:5/bridge']);
    expect(await page.end(0).letIn(keys)).toBe(true);
    page.end(0).onclose({ code: 1006 });
    page.later[0]?.();
    expect(await page.end(1).letIn(keys)).toBe(true);
    // And again after it was loaded anew.
    new WebSocketPort({ ...page.surroundings, location: { ...page.surroundings.location, hash: '' } });
    expect(await page.end(2).letIn(keys)).toBe(true);
    const said = JSON.stringify([page.end(0).heard, page.end(1).heard]);
    expect(said).not.toContain(token);
    for (const key of page.stored.values()) expect(said).not.toContain(key);
  });

  test('comes back by its session when the connection breaks before it hears that its link is void', async () => {
    const keys = new PageKeys();
    const page = makePage(`#${keys.newToken()}`);
    const port = new WebSocketPort(page.surroundings);
    const heard: unknown[] = [];
    port.listen((message) => heard.push(message));
    // The host has not seen the first proof when the page tries again, and sees both then.
    const openings = [await page.end(0).begins(keys)];
    await page.end(0).hears('prove');
    page.end(0).onclose({ code: 1006 });
    page.later[0]?.();
    openings.push(await page.end(1).begins(keys));
    await page.end(1).hears('prove');
    for (const [index, opening] of openings.entries()) {
      const { proof = '' } = await page.end(index).hears('prove');
      expect(opening?.finish(proof) !== undefined).toBe(index === 0);
    }
    page.end(1).onclose({ code: 1006 });
    page.later[1]?.();
    // The link, the session that came to nothing, and the one that holds.
    for (const index of [2, 3]) expect(await page.end(index).letIn(keys)).toBe(false);
    expect(await page.end(4).letIn(keys)).toBe(true);
    await isOpen(port);
    expect(heard).toMatchObject([gone, gone]);
    page.end(4).onclose({ code: 1006 });
    page.later[2]?.();
    expect(await page.end(5).letIn(keys)).toBe(true);
  });

  test.each([
    ['does not answer', () => {}],
    ['says nothing', (end: HostEnd) => end.onopen()],
  ])('does not wait for ever for a host that %s', async (_, act) => {
    const keys = new PageKeys();
    const page = makePage(`#${keys.newToken()}`);
    const port = new WebSocketPort(page.surroundings);
    const heard: unknown[] = [];
    port.listen((message) => heard.push(message));
    act(page.end(0));
    page.limits[0]?.();
    expect(page.end(0).isClosed).toBe(true);
    expect(heard).toMatchObject([gone]);
    page.later[0]?.();
    expect(await page.end(1).letIn(keys)).toBe(true);
    // One that is open is left alone.
    await isOpen(port);
    page.limits[1]?.();
    await isOpen(port);
    expect(heard).toMatchObject([gone]);
  });

  test('takes a host that it hears nothing of for gone, and one that is alive for nothing else', async () => {
    const { end, port, heard, later, silences, keys } = await makeOpenPage();
    await isOpen(port);
    end(0).say({ kind: 'alive' });
    silences[0]?.();
    await isOpen(port);
    const answer = port.ask('list', {});
    silences[1]?.();
    expect(await answer).toMatchObject(refused);
    expect(end(0).isClosed).toBe(true);
    expect(heard).toMatchObject([gone]);
    later[0]?.();
    expect(await end(1).letIn(keys)).toBe(true);
  });

  test('ends a connection in which it cannot sign, and says nothing in one that has ended meanwhile', async () => {
    const page = makePage('#token');
    const port = new WebSocketPort(page.surroundings);
    const heard: unknown[] = [];
    port.listen((message) => heard.push(message));
    page.end(0).onopen();
    page.end(0).onclose({ code: 1006 });
    page.later[0]?.();
    page.end(1).onopen();
    await page.end(1).hears('open');
    expect(page.end(0).heard).toEqual([]);
    vi.spyOn(crypto.subtle, 'sign').mockRejectedValue(new Error('no keys here'));
    page.end(1).say({ kind: 'proof', nonce: 'a'.repeat(64), proof: 'a'.repeat(64) });
    await expect.poll(() => page.end(1).isClosed).toBe(true);
    expect(heard).toMatchObject([gone, gone]);
  });

  test('believes nobody who does not know its key, and tells him nothing', async () => {
    const page = makePage('#token');
    const port = new WebSocketPort(page.surroundings);
    const heard: unknown[] = [];
    port.listen((message) => heard.push(message));
    const impostor = page.end(0);
    impostor.onopen();
    const { nonce = '' } = await impostor.hears('open');
    const connected = { state: 'connected', version: '6', hasPolkit: true, notes: [] };
    const lies = [
      { kind: 'opened' },
      { kind: 'message', message: { kind: 'service', service: connected } },
      { kind: 'proof', nonce: 'a'.repeat(64), proof: await sign('another', `host ${nonce} ${'a'.repeat(64)}`) },
    ];
    for (const [index, lie] of lies.entries()) {
      const end = page.end(index);
      if (index > 0) {
        end.onopen();
        await end.hears('open');
      }
      end.say(lie);
      await expect.poll(() => end.isClosed).toBe(true);
      expect(await port.ask('start', { token: 't', passphrase: 'secret' })).toMatchObject(refused);
      page.later[index]?.();
    }
    expect(heard).toMatchObject([gone, gone, gone]);
    expect(JSON.stringify(lies.map((_, index) => page.end(index).heard))).not.toMatch(/secret|prove/);
  });

  test('gives each question its own answer, in whatever order they come', async () => {
    const { end, port } = await makeOpenPage();
    await isOpen(port);
    const first = Number(end(0).heard.findLast(({ kind }) => kind === 'ask')?.['id']);
    const answers = [port.ask('list', {}), port.ask('devices', {})];
    const done = (result: number) => ({ outcome: 'done', result });
    end(0).say({ kind: 'answer', id: first + 2, answer: done(1) });
    end(0).say({ kind: 'answer', id: first + 1, answer: done(0) });
    expect(await Promise.all(answers)).toEqual([done(0), done(1)]);
  });

  test.each([['no JSON', 'hello'], ['no frame', '{"kind":"other"}'], ['an answer to nothing', '{"kind":"answer"}']])(
    'waits for no answer any more when it hears %s, and connects again',
    async (_, text) => {
      const { end, port, heard, later, keys } = await makeOpenPage();
      await isOpen(port);
      const answer = port.ask('list', {});
      end(0).onmessage({ data: text });
      expect(await answer).toMatchObject(refused);
      expect(end(0).isClosed).toBe(true);
      expect(heard).toMatchObject([gone]);
      later[0]?.();
      expect(await end(1).letIn(keys)).toBe(true);
    },
  );

  test('keeps nobody waiting when the host goes, and says so', async () => {
    const { end, port, heard } = await makeOpenPage();
    await isOpen(port);
    const answer = port.ask('list', {});
    end(0).onclose({ code: 1006 });
    expect(await answer).toMatchObject(refused);
    expect(await port.ask('list', {})).toMatchObject(refused);
    expect(heard).toMatchObject([gone]);
  });

  test('does not try again with a link that is not valid, nor without any', () => {
    for (const hash of ['#used', '']) {
      const page = makePage(hash);
      const port = new WebSocketPort(page.surroundings);
      if (hash !== '') page.end(0).onclose({ code: refusedTokenCode });
      const heard: unknown[] = [];
      port.listen((message) => heard.push(message));
      expect(page.later).toEqual([]);
      expect(heard).toMatchObject([{ service: { refusal: { code: 'not-authorised' } } }]);
    }
  });
});

describe('the bridge', () => {
  test('asks for everything again when it hears what it cannot read', () => {
    const heard: unknown[] = [];
    const tells: ((message: unknown) => void)[] = [];
    new Bridge({ ask: () => new Promise(() => {}), listen: (tell) => void tells.push(tell) }).listen((message) => heard.push(message));
    tells[0]?.({ kind: 'event', event: { event: 'finished' } });
    expect(heard).toEqual([{ kind: 'streamEnded' }]);
  });
});
