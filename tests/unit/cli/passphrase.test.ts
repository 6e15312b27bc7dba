/** A passphrase that is typed at a pretended terminal, or read from a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { SecretTerminal } from '../../../app/cli/passphrase.ts';
import { readPassphrase } from '../../../app/cli/passphrase.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { makeFacts } from '../migration/made-facts.ts';
import { options } from '../migration/refusals.ts';

function planOf(needsPassphrase: boolean, tokenKey?: string): Plan {
  const user = {
    name: 'vault',
    majorMinor: '253:0',
    kind: 'luks' as const,
    mountPoints: [],
    needsPassphrase,
    ...(tokenKey !== undefined && { tokenKey }),
  };
  return { ...decidePlan(makeFacts(), options), mappedUsers: [user] };
}

function terminal(isTTY: boolean) {
  /** What was said, and between it whether the terminal shows what is typed. */
  const story: string[] = [];
  const setRawMode = (isRaw: boolean): number => story.push(isRaw ? 'hidden' : 'shown');
  const stdin = Object.assign(new PassThrough(), { isTTY, setRawMode });
  const stderr = new Writable({
    write(chunk: Buffer, _, done) {
      story.push(chunk.toString());
      done();
    },
  });
  return { terminal: { stdin, stderr } satisfies SecretTerminal, stdin, story };
}

describe('a passphrase', () => {
  it.each([
    ['secret\r', 'secret'],
    ['secrex\x7ft\n', 'secret'],
    ['\x7f\x08ä\x04', 'ä'],
    ['\r', ''],
  ])('is what is typed: %j', async (typed, expected) => {
    const { terminal: at, stdin, story } = terminal(true);
    const answer = readPassphrase(planOf(true), undefined, at);
    for (const byte of Buffer.from(typed)) stdin.write(Uint8Array.of(byte));
    expect(Buffer.from((await answer) ?? []).toString()).toBe(expected);
    expect(story).toEqual(['hidden', 'Passphrase for /dev/sdb: ', 'shown', '\n']);
  });

  it('is not taken after Ctrl-C', async () => {
    const { terminal: at, stdin, story } = terminal(true);
    const answer = readPassphrase(planOf(true), undefined, at);
    stdin.write('secr\x03');
    await expect(answer).rejects.toMatchObject({ code: 'interrupted' });
    expect(story).toContain('shown');
  });

  it('is asked of nobody when nobody is there', async () => {
    await expect(readPassphrase(planOf(true), undefined, terminal(false).terminal)).rejects.toMatchObject({
      code: 'passphrase-needed',
    });
  });

  it('is not asked for when none is needed', async () => {
    expect(await readPassphrase(planOf(false), undefined, terminal(true).terminal)).toBeUndefined();
  });

  it('is not asked for when a token opens the container, but a key file may take its place', async () => {
    const plan = planOf(false, 'home');
    expect(await readPassphrase(plan, undefined, terminal(true).terminal)).toBeUndefined();
    await expect(readPassphrase(plan, '/no/such/key', terminal(true).terminal)).rejects.toThrow('/no/such/key');
  });

  it('is every byte of the key file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'diskferry-key-'));
    const file = join(folder, 'key');
    writeFileSync(file, 'secret\n');
    const read = await readPassphrase(planOf(true), file, terminal(false).terminal);
    expect(Buffer.from(read ?? []).toString()).toBe('secret\n');
    rmSync(folder, { recursive: true });
    await expect(readPassphrase(planOf(true), file, terminal(false).terminal)).rejects.toThrow(file);
  });
});
