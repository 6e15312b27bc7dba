/** What cryptsetup 2.6 prints, and what is read from it. */
import { describe, expect, it } from 'vitest';
import { parseReencryption, parseVolumeKey } from '../../../app/devices/luks.ts';

const dump = `LUKS header information for /dev/loop0
Cipher name:   \taes
Cipher mode:   \txts-plain64
Payload offset:\t32768
UUID:          \t4465f4cf-8a48-4784-83a4-23b0b57c6f88
MK bits:       \t128
MK dump:\tcb 50 5b 7f 44 23 1c ea
\t\t21 52 41 60 a2 3e 29 85
`;

describe('a volume key', () => {
  it('is read from the lines behind the last colon', () => {
    const key = parseVolumeKey(Buffer.from(dump));
    expect(Buffer.from(key ?? []).toString('hex')).toBe('cb505b7f44231cea21524160a23e2985');
  });

  it.each(['', 'MK dump:\t\n', 'MK dump:\tcb 5', 'No key available with this passphrase.'])(
    'is not found in %j',
    (text) => {
      expect(parseVolumeKey(Buffer.from(text))).toBeNull();
    },
  );
});

describe('re-encryption', () => {
  it.each([
    ['{"config":{"json_size":"12288"}}', false],
    ['{"config":{"requirements":{"mandatory":["opal"]}}}', false],
    ['{"config":{"requirements":{"mandatory":["online-reencrypt-v2"]}}}', true],
    ['{"config":{"requirements":{"mandatory":["online-reencrypt"]}}}', true],
  ])('is told from the header: %s', (json, expected) => {
    expect(parseReencryption(json)).toBe(expected);
  });
});
