import { beforeEach, describe, expect, it } from 'vitest';
import { BufferPool } from '../../../../app/base/buffer-pool.ts';
import { CommandTable } from '../../../../app/frontends/nbd/command-table.ts';
import {
  ReplyWriter,
  dataChunkBytes,
  errorChunkBytes,
  errorOffsetChunkBytes,
  simpleReplyBytes,
} from '../../../../app/frontends/nbd/reply.ts';
import { RequestTable, requestSlotBytes } from '../../../../app/router/request.ts';

const pool = new BufferPool(2 * requestSlotBytes, () => 0);
const requests = new RequestTable(2, pool);
const commands = new CommandTable(1);
const replies = new ReplyWriter(
  new DataView(pool.bytes.buffer, pool.bytes.byteOffset, pool.bytes.length),
  requests,
  commands,
);
const slot = 1;
const command = commands.claim(0);
const cookie = 'fedcba98' + '76543210';

beforeEach(() => {
  pool.bytes.fill(0xee);
  commands.cookieHigh[command] = 0xfedcba98 | 0;
  commands.cookieLow[command] = 0x76543210;
  requests.offsetBytes[slot] = 2 ** 40 + 2 ** 31 + 512;
  requests.lengthBytes[slot] = 4096;
});

function hex(at: number, lengthBytes: number): string {
  return Buffer.from(pool.bytes.subarray(at, at + lengthBytes)).toString('hex');
}

describe('an answer', () => {
  it('without data is a simple reply', () => {
    expect(hex(replies.simple(slot, command, 28), simpleReplyBytes)).toBe('67446698' + '0000001c' + cookie);
  });

  it('with data stands directly in front of it', () => {
    const at = replies.simpleWithData(slot, command);
    expect(at + simpleReplyBytes).toBe(requests.dataOffset(slot));
    expect(hex(at, simpleReplyBytes + 2)).toBe('67446698' + '00000000' + cookie + 'eeee');
  });

  it('in a chunk tells where its data belongs', () => {
    const at = replies.dataChunk(slot, command, false);
    expect(at + dataChunkBytes).toBe(requests.dataOffset(slot));
    expect(hex(at, dataChunkBytes + 2)).toBe(
      '668e33ef' + '0000' + '0001' + cookie + '00001008' + '0000010080000200' + 'eeee',
    );
  });

  it('in the last chunk says so', () => {
    expect(hex(replies.dataChunk(slot, command, true), 8)).toBe('668e33ef' + '0001' + '0001');
  });

  it('refuses a read in one chunk', () => {
    const at = replies.errorChunk(slot, command, 22);
    expect(hex(at, errorChunkBytes + 1)).toBe(
      '668e33ef' + '0001' + '8001' + cookie + '00000006' + '00000016' + '0000' + 'ee',
    );
  });

  it('tells at which offset a part of a read has failed', () => {
    const at = replies.errorOffsetChunk(slot, command, 5, false);
    expect(hex(at, errorOffsetChunkBytes + 1)).toBe(
      '668e33ef' + '0000' + '8002' + cookie + '0000000e' + '00000005' + '0000' + '0000010080000200' + 'ee',
    );
    expect(hex(replies.errorOffsetChunk(slot, command, 5, true), 6)).toBe('668e33ef' + '0001');
  });

  it('stays within its slot', () => {
    for (const at of [
      replies.simple(slot, command, 0),
      replies.errorChunk(slot, command, 5),
      replies.dataChunk(slot, command, true),
    ]) {
      expect(at).toBeGreaterThanOrEqual(requests.headerOffset(slot));
    }
    expect(hex(requests.headerOffset(slot) - 8, 8)).toBe('ee'.repeat(8));
  });
});
