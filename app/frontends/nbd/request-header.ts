/**
 * The header of a request on the wire, and whether the request is one that this server carries out. Both
 * write and read the command table and nothing else: the hot path makes no objects.
 *
 *   0 magic u32 · 4 flags u16 · 6 type u16 · 8 cookie u64 · 16 offset u64 · 24 length u32 · 28 a write's data
 */
import { requestDataBytesMax } from '../../router/request.ts';
import type { CommandTable } from './command-table.ts';
import type { ExportedDevice } from './negotiation.ts';
import {
  carriesData,
  commandFlags,
  commandTypes,
  nbdErrors,
  payloadBytesMax,
  requestMagic,
} from './protocol.ts';

export const requestHeaderBytes = 28;

const twoTo32 = 4294967296;

/** Flags that each type of command may carry. FUA is allowed with all, because clients set it with all. */
const flagsOfType: readonly (number | undefined)[] = allowedFlags();

function allowedFlags(): (number | undefined)[] {
  const flags = new Array<number | undefined>(commandTypes.writeZeroes + 1).fill(undefined);
  flags[commandTypes.read] = commandFlags.fua | commandFlags.dontFragment;
  flags[commandTypes.write] = commandFlags.fua;
  flags[commandTypes.flush] = commandFlags.fua;
  flags[commandTypes.trim] = commandFlags.fua;
  flags[commandTypes.writeZeroes] = commandFlags.fua | commandFlags.noHole;
  return flags;
}

/** Fills the command's row from the header at `at`. False when the magic is wrong: the rest is garbage. */
export function readRequestHeader(
  view: DataView,
  at: number,
  commands: CommandTable,
  command: number,
): boolean {
  commands.flags[command] = view.getUint16(at + 4);
  commands.type[command] = view.getUint16(at + 6);
  commands.cookieHigh[command] = view.getInt32(at + 8);
  commands.cookieLow[command] = view.getInt32(at + 12);
  // Beyond 2^53 this rounds, and stays far beyond the end of any device.
  commands.positionBytes[command] = view.getUint32(at + 16) * twoTo32 + view.getUint32(at + 20);
  commands.remainingBytes[command] = view.getUint32(at + 24);
  return view.getUint32(at) === requestMagic;
}

/** The error with which the command is refused; `nbdErrors.none` when it may be carried out. */
export function refusalOf(commands: CommandTable, command: number, device: ExportedDevice): number {
  const type = commands.type[command] as number;
  const flags = commands.flags[command] as number;
  const allowed = type < flagsOfType.length ? flagsOfType[type] : undefined;
  if (allowed === undefined || (flags & ~allowed) !== 0) return nbdErrors.invalid;

  const position = commands.positionBytes[command] as number;
  const length = commands.remainingBytes[command] as number;
  if (type === commandTypes.flush) return position === 0 && length === 0 ? nbdErrors.none : nbdErrors.invalid;
  if (length === 0) return nbdErrors.invalid;
  if (position + length > device.sizeBytes) return writesData(type) ? nbdErrors.noSpace : nbdErrors.invalid;
  const isAligned = position % device.logicalBlockBytes === 0 && length % device.logicalBlockBytes === 0;
  if (!isAligned) return nbdErrors.invalid;
  if (carriesData(type) && length > payloadBytesMax) return nbdErrors.invalid;
  if ((flags & commandFlags.dontFragment) !== 0 && length > requestDataBytesMax) return nbdErrors.overflow;
  return nbdErrors.none;
}

function writesData(type: number): boolean {
  return type === commandTypes.write || type === commandTypes.writeZeroes;
}
