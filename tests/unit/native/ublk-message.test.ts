import { describe, expect, it } from 'vitest';
import { BugError } from '../../../app/base/error.ts';
import { gibibyte, mebibyte } from '../../../app/base/units.ts';
import { requestCommand } from '../../../native/ublk.ts';
import type { UblkParameters } from '../../../native/ublk-message.ts';
import { decodeInfo, encodeAdd, encodeParameters, ublkFlag } from '../../../native/ublk-message.ts';

const mark = 0x6469736b_00001234n;
const added = {
  queueDepth: 64,
  requestBytesMax: mebibyte,
  flags: ublkFlag.userRecovery | ublkFlag.userRecoveryReissue,
  mark,
};

describe('the message that adds a device', () => {
  it('asks for one queue and leaves the number to the kernel', () => {
    const info = decodeInfo(encodeAdd(added));
    expect(info).toMatchObject({ ...added, queueCount: 1, id: 0xffffffff });
  });

  it('has each field where struct ublksrv_ctrl_dev_info has it', () => {
    const bytes = Buffer.from(encodeAdd(added));
    expect(bytes.length).toBe(64);
    expect([bytes.readUInt16LE(0), bytes.readUInt16LE(2)]).toEqual([1, 64]);
    expect(bytes.readUInt32LE(8)).toBe(mebibyte);
    expect([bytes.readBigUInt64LE(24), bytes.readBigUInt64LE(32)]).toEqual([0x18n, mark]);
  });
});

describe('what the kernel says of a device', () => {
  it('has a state by name and no process before it is started', () => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt16LE(2, 4);
    bytes.writeInt32LE(-1, 16);
    expect(decodeInfo(bytes)).toMatchObject({ state: 'quiesced', processId: 0 });
  });

  it('is refused when it is not one', () => {
    expect(() => decodeInfo(new Uint8Array(63))).toThrow(BugError);
    expect(() => decodeInfo(new Uint8Array(64).fill(0xff))).toThrow(BugError);
  });
});

const parameters: UblkParameters = {
  sizeBytes: 8192 * gibibyte,
  logicalBlockBytes: 512,
  physicalBlockBytes: 4096,
  requestBytesMax: mebibyte,
  discardGranularityBytes: 4096,
  discardBytesMax: 64 * mebibyte,
  writeZeroesBytesMax: 32 * mebibyte,
};

describe('the message with the parameters of a disk', () => {
  it('has each field where struct ublk_params has it', () => {
    const bytes = Buffer.from(encodeParameters(parameters));
    expect([bytes.length, bytes.readUInt32LE(0), bytes.readUInt32LE(4)]).toEqual([64, 64, 0b11]);
    expect(bytes.readUInt32LE(8)).toBe(0b1100);
    expect([...bytes.subarray(12, 16)]).toEqual([9, 12, 12, 12]);
    expect(bytes.readUInt32LE(16)).toBe(2048);
    expect(bytes.readBigUInt64LE(24)).toBe(BigInt(8192 * gibibyte) / 512n);
    expect([44, 48, 52].map((at) => bytes.readUInt32LE(at))).toEqual([4096, 131072, 65536]);
    expect(bytes.readUInt16LE(56)).toBe(1);
  });

  it('cannot be made for blocks that are no power of two', () => {
    expect(() => encodeParameters({ ...parameters, physicalBlockBytes: 3072 })).toThrow(BugError);
  });

  it('cannot be made for a disk that ends within a sector', () => {
    expect(() => encodeParameters({ ...parameters, sizeBytes: 1000 })).toThrow(BugError);
  });
});

describe('the number of a request command', () => {
  it('is that of linux/ublk_cmd.h, as an ioctl or bare', () => {
    expect(requestCommand('bare', 'fetch')).toBe(0x20);
    expect(requestCommand('ioctl', 'fetch') >>> 0).toBe(0xc0107520);
    expect(requestCommand('ioctl', 'commitAndFetch') >>> 0).toBe(0xc0107521);
  });
});
