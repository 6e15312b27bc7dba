import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandTable } from '../../../../app/frontends/nbd/command-table.ts';

const mebibyte = 2 ** 20;
const type = { read: 0, write: 1, trim: 4 };

function take(
  kind: number,
  positionBytes: number,
  lengthBytes: number,
): { commands: CommandTable; command: number } {
  const commands = new CommandTable(1);
  const command = commands.claim(0);
  commands.type[command] = kind;
  commands.positionBytes[command] = positionBytes;
  commands.remainingBytes[command] = lengthBytes;
  return { commands, command };
}

/** Lengths of all parts, in order. */
function partsOf(kind: number, positionBytes: number, lengthBytes: number): number[] {
  const { commands, command } = take(kind, positionBytes, lengthBytes);
  const parts: number[] = [];
  while (!commands.isAnswered(command)) {
    const part = commands.nextPartBytes(command);
    parts.push(part);
    commands.positionBytes[command] = (commands.positionBytes[command] ?? 0) + part;
    commands.remainingBytes[command] = (commands.remainingBytes[command] ?? 0) - part;
  }
  return parts;
}

describe('parts of a command', () => {
  it('are one when a slot holds all of its data', () => {
    expect(partsOf(type.read, 512, mebibyte)).toEqual([mebibyte]);
    expect(partsOf(type.write, 0, 512)).toEqual([512]);
  });

  it('are one when no data goes with it', () => {
    expect(partsOf(type.trim, 512, 2 ** 32 - 512)).toEqual([2 ** 32 - 512]);
  });

  it('cover it exactly, each within a slot, and meet at borders of blocks', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 24 }),
        fc.integer({ min: 1, max: 65536 }),
        (positionSectors, sectors) => {
          let position = positionSectors * 512;
          const end = position + sectors * 512;
          for (const part of partsOf(type.write, position, sectors * 512)) {
            expect(part).toBeGreaterThan(0);
            expect(part).toBeLessThanOrEqual(mebibyte);
            position += part;
            if (position !== end) expect(position % 4096).toBe(0);
          }
          expect(position).toBe(end);
        },
      ),
    );
  });

  it('are all answered only when none is open and none is to come', () => {
    const { commands, command } = take(type.read, 0, mebibyte);
    expect(commands.isAnswered(command)).toBe(false);
    commands.remainingBytes[command] = 0;
    commands.openParts[command] = 1;
    expect(commands.isAnswered(command)).toBe(false);
    commands.openParts[command] = 0;
    expect(commands.isAnswered(command)).toBe(true);
  });
});

describe('the table', () => {
  it('forgets errors of the command that used a row before', () => {
    const { commands, command } = take(type.write, 0, 512);
    commands.error[command] = 5;
    commands.isReplying[command] = 1;
    commands.release(command);
    expect(commands.claim(0)).toBe(command);
    expect(commands.error[command]).toBe(0);
    expect(commands.isReplying[command]).toBe(0);
  });

  it('asserts that it never overflows', () => {
    const { commands } = take(type.write, 0, 512);
    expect(() => commands.claim(0)).toThrow('a command holds a slot');
  });
});
