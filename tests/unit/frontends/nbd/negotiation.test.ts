import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pageBytes } from '../../../../app/base/buffer-pool.ts';
import type { NegotiationStep } from '../../../../app/frontends/nbd/negotiation.ts';
import { Negotiation, greeting, optionBytesMax } from '../../../../app/frontends/nbd/negotiation.ts';

const device = { sizeBytes: 2 ** 41 + 512, logicalBlockBytes: 512 };
const replyMagic = '0003e889045565a9';

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES. */
const clientFlags = bytes('00000003');

function option(type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(16);
  header.write('IHAVEOPT');
  header.writeUInt32BE(type, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** Data of INFO and GO. */
function question(name: string, ...infoTypes: number[]): Buffer {
  const data = Buffer.alloc(4 + name.length + 2 + 2 * infoTypes.length);
  data.writeUInt32BE(name.length, 0);
  data.write(name, 4);
  data.writeUInt16BE(infoTypes.length, 4 + name.length);
  infoTypes.forEach((type, index) => data.writeUInt16BE(type, 6 + name.length + 2 * index));
  return data;
}

/** A negotiation behind the client's flags. */
function begun(flags = clientFlags, exported = device): Negotiation {
  const negotiation = new Negotiation(exported);
  expect(negotiation.step(flags)).toMatchObject({ consumedBytes: 4, then: 'negotiate' });
  return negotiation;
}

function answerOf(negotiation: Negotiation, message: Buffer): NegotiationStep {
  const step = negotiation.step(message);
  if (step === undefined) throw new Error('the negotiation wants more than the whole message');
  return step;
}

/** Splits option replies into what they say: [option, type, data in hex]. */
function repliesIn(reply: Buffer): [number, number, string][] {
  const replies: [number, number, string][] = [];
  for (let at = 0; at < reply.length;) {
    expect(reply.toString('hex', at, at + 8)).toBe(replyMagic);
    const length = reply.readUInt32BE(at + 16);
    replies.push([
      reply.readUInt32BE(at + 8),
      reply.readUInt32BE(at + 12),
      reply.toString('hex', at + 20, at + 20 + length),
    ]);
    at += 20 + length;
  }
  return replies;
}

interface Conversation {
  readonly replies: string;
  readonly end: NegotiationStep['then'];
  readonly takenBytes: number;
}

/** Lets the bytes arrive piece by piece, as a socket does, and checks every step. */
function converse(pieces: readonly Buffer[]): Conversation {
  const negotiation = new Negotiation(device);
  let stored: Buffer = Buffer.alloc(0);
  let takenBytes = 0;
  const replies: Buffer[] = [];
  for (const piece of pieces) {
    stored = Buffer.concat([stored, piece]);
    for (let step = negotiation.step(stored); step !== undefined; step = negotiation.step(stored)) {
      replies.push(step.reply);
      expect(step.reply.length).toBeLessThanOrEqual(pageBytes);
      expect(step.consumedBytes).toBeGreaterThan(0);
      expect(step.consumedBytes).toBeLessThanOrEqual(stored.length);
      stored = stored.subarray(step.consumedBytes);
      takenBytes += step.consumedBytes;
      if (step.then !== 'negotiate')
        return { replies: Buffer.concat(replies).toString('hex'), end: step.then, takenBytes };
    }
  }
  return { replies: Buffer.concat(replies).toString('hex'), end: 'negotiate', takenBytes };
}

describe('the greeting', () => {
  it('offers fixed newstyle without the zeroes', () => {
    expect(greeting.toString('hex')).toBe(Buffer.from('NBDMAGICIHAVEOPT').toString('hex') + '0003');
  });
});

describe('client flags', () => {
  it('are waited for', () => {
    expect(new Negotiation(device).step(bytes('000000'))).toBeUndefined();
  });

  it('that are unknown end the connection', () => {
    expect(new Negotiation(device).step(bytes('00000004'))).toMatchObject({ then: 'disconnect' });
  });

  it('without fixed newstyle allow EXPORT_NAME only', () => {
    expect(answerOf(begun(bytes('00000002')), option(1)).then).toBe('transmit');
    expect(answerOf(begun(bytes('00000002')), option(3))).toMatchObject({
      then: 'disconnect',
      reply: Buffer.alloc(0),
    });
  });
});

describe('EXPORT_NAME', () => {
  it('tells size and flags and begins transmission', () => {
    const { reply, then } = answerOf(begun(), option(1));
    expect(then).toBe('transmit');
    expect(reply.toString('hex')).toBe('0000020000000200' + '016d');
  });

  it('sends 124 zeroes to clients that want them', () => {
    expect(answerOf(begun(bytes('00000001')), option(1)).reply.length).toBe(10 + 124);
  });

  it('with another name ends the connection', () => {
    expect(answerOf(begun(), option(1, Buffer.from('disk')))).toMatchObject({ then: 'disconnect' });
  });
});

describe('GO and INFO', () => {
  it('tell size and block sizes unasked; GO begins transmission', () => {
    for (const [type, then] of [
      [6, 'negotiate'],
      [7, 'transmit'],
    ] as const) {
      const answer = answerOf(begun(), option(type, question('')));
      expect(answer.then).toBe(then);
      expect(repliesIn(answer.reply)).toEqual([
        [type, 3, '0000' + '0000020000000200' + '016d'],
        [type, 3, '0003' + '00000200' + '00001000' + '02000000'],
        [type, 1, ''],
      ]);
    }
  });

  it('never prefer blocks smaller than the smallest', () => {
    const negotiation = begun(clientFlags, { sizeBytes: 2 ** 20, logicalBlockBytes: 8192 });
    expect(repliesIn(answerOf(negotiation, option(6, question(''))).reply)[1]?.[2]).toBe(
      '0003' + '00002000' + '00002000' + '02000000',
    );
  });

  it('tell name and description when asked', () => {
    const replies = repliesIn(answerOf(begun(), option(6, question('', 1, 2, 3, 77))).reply);
    expect(replies.map(([, , data]) => data.slice(0, 4))).toEqual(['0000', '0003', '0001', '0002', '']);
    expect(Buffer.from(replies[3]?.[2].slice(4) ?? '', 'hex').toString()).toBe('virtual device of Diskferry');
  });

  it('do not know other names', () => {
    const answer = answerOf(begun(), option(7, question('disk')));
    expect(answer.then).toBe('negotiate');
    expect(repliesIn(answer.reply)[0]?.slice(0, 2)).toEqual([7, 0x80000006]);
  });

  it.each([
    '',
    '00000000',
    '0000000000',
    '00000001 0000',
    '00000000 0001',
    '00000000 0000 00',
    'ffffffff 0000',
    '00000000 ffff 0003',
  ])('refuse malformed data (%s)', (data) => {
    const answer = answerOf(begun(), option(7, bytes(data)));
    expect(answer.then).toBe('negotiate');
    expect(repliesIn(answer.reply)[0]?.slice(0, 2)).toEqual([7, 0x80000003]);
  });
});

describe('other options', () => {
  it('STRUCTURED_REPLY is acknowledged and adds "do not fragment" to the flags', () => {
    const negotiation = begun();
    expect(negotiation.usesStructuredReplies).toBe(false);
    expect(repliesIn(answerOf(negotiation, option(8)).reply)).toEqual([[8, 1, '']]);
    expect(negotiation.usesStructuredReplies).toBe(true);
    expect(answerOf(negotiation, option(1)).reply.toString('hex')).toMatch(/01ed$/);
  });

  it('STRUCTURED_REPLY with data is refused', () => {
    const negotiation = begun();
    expect(repliesIn(answerOf(negotiation, option(8, bytes('00'))).reply)[0]?.[1]).toBe(0x80000003);
    expect(negotiation.usesStructuredReplies).toBe(false);
  });

  it('LIST names the one export', () => {
    expect(repliesIn(answerOf(begun(), option(3)).reply)).toEqual([
      [3, 2, '00000000'],
      [3, 1, ''],
    ]);
    expect(repliesIn(answerOf(begun(), option(3, bytes('00'))).reply)[0]?.[1]).toBe(0x80000003);
  });

  it('ABORT is acknowledged before the connection ends', () => {
    const answer = answerOf(begun(), option(2));
    expect(answer.then).toBe('disconnect');
    expect(repliesIn(answer.reply)).toEqual([[2, 1, '']]);
  });

  it.each([
    ['STARTTLS', 5],
    ['LIST_META_CONTEXT', 9],
    ['SET_META_CONTEXT', 10],
    ['EXTENDED_HEADERS', 11],
    ['one that nobody knows', 0x7fffffff],
  ])('%s is declined, and negotiation goes on', (_name, type) => {
    const negotiation = begun();
    const answer = answerOf(negotiation, option(type, bytes('0000')));
    expect(answer.then).toBe('negotiate');
    expect(repliesIn(answer.reply)[0]?.slice(0, 2)).toEqual([type, 0x80000001]);
    expect(answerOf(negotiation, option(7, question(''))).then).toBe('transmit');
  });

  it('with giant data end the connection before the data arrives', () => {
    const header = option(3).fill(0xff, 12);
    expect(begun().step(header)).toMatchObject({ then: 'disconnect' });
    expect(begun().step(option(3, Buffer.alloc(optionBytesMax + 1)).subarray(0, 16))).toMatchObject({
      then: 'disconnect',
    });
  });

  it('with a wrong magic end the connection', () => {
    expect(begun().step(option(7, question('')).fill(0x20, 7, 8))).toMatchObject({ then: 'disconnect' });
  });
});

describe('any input', () => {
  const option7 = fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 40 }))
    .map(([type, data]) => option(type, Buffer.from(data)));
  const goodQuestion = fc
    .tuple(fc.constantFrom(6, 7), fc.array(fc.integer({ min: 0, max: 5 })))
    .map(([type, infos]) => option(type, question('', ...infos)));
  const garbage = fc.uint8Array({ maxLength: 64 }).map((data) => Buffer.from(data));
  const stream = fc
    .tuple(
      fc.constantFrom(clientFlags, bytes('00000001'), bytes('00000000'), bytes('ffffffff')),
      fc.array(fc.oneof(option7, goodQuestion, garbage)),
    )
    .map(([flags, messages]) => Buffer.concat([flags, ...messages]));

  it('is answered within a page or ends the connection, and never throws', () => {
    fc.assert(
      fc.property(stream, (input) => {
        converse([input]);
      }),
      { numRuns: 500 },
    );
  });

  it('is answered the same however it is cut into pieces', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 200 })), (input, cuts) => {
        const places = [...new Set(cuts.filter((cut) => cut < input.length)), input.length].sort(
          (a, b) => a - b,
        );
        const pieces = places.map((place, index) => input.subarray(places[index - 1] ?? 0, place));
        expect(converse(pieces)).toEqual(converse([input]));
      }),
      { numRuns: 500 },
    );
  });
});
