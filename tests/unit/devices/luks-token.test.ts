/** Tokens as cryptsetup 2.6 writes them into a LUKS2 header. */
import { describe, expect, it } from 'vitest';
import { parseKeyringTokens } from '../../../app/devices/luks-token.ts';

const header = (tokens: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ keyslots: {}, tokens, config: { json_size: '12288', keyslots_size: '16744448' } });
const keyring = { type: 'luks2-keyring', keyslots: ['0'], key_description: 'vault' };

describe('the tokens that name a key of the keyring', () => {
  it('are told with their numbers', () => {
    expect(parseKeyringTokens(header({ 0: { ...keyring, type: 'other' }, 3: keyring }))).toEqual([
      { number: '3', description: 'vault' },
    ]);
  });

  it.each([
    ['belong to no key slot', { ...keyring, keyslots: [] }],
    ['are of another type, with fields of its own', { type: 'systemd-tpm2', keyslots: ['0'], 'tpm2-pcrs': [7] }],
    ['name no key', { type: 'luks2-keyring', keyslots: ['0'] }],
    ['would write on a terminal', { ...keyring, key_description: 'vault\u001b[2J' }],
  ])('are not those that %s', (_, token) => {
    expect(parseKeyringTokens(header({ 0: token }))).toEqual([]);
  });

  it('are none in a header without tokens', () => {
    expect(parseKeyringTokens('{"config":{}}')).toEqual([]);
  });
});
