/** What a verification has found so far, in blocks, and where. */
import type { Extent } from '../base/units.ts';
import { blockBytes } from '../base/units.ts';

/** So many places are named; of what lies beyond them only the size is known. */
export const extentsMax = 64;

export class VerifyTally {
  /** Read back and right, what was repaired among them. */
  checkedBlocks = 0;
  repairedBlocks = 0;
  /** Not shown to be right, and not to be repaired. */
  failedBlocks = 0;
  readonly repaired: Extent[] = [];
  readonly failed: Extent[] = [];

  noteRepaired(block: number): void {
    this.checkedBlocks += 1;
    this.repairedBlocks += 1;
    addBlock(this.repaired, block);
  }

  noteFailed(block: number): void {
    this.failedBlocks += 1;
    addBlock(this.failed, block);
  }
}

/** Blocks of a span come in order, spans in nearly any. */
function addBlock(extents: Extent[], block: number): void {
  const offsetBytes = block * blockBytes;
  const last = extents.at(-1);
  if (last !== undefined && last.offsetBytes + last.lengthBytes === offsetBytes)
    extents[extents.length - 1] = { ...last, lengthBytes: last.lengthBytes + blockBytes };
  else if (extents.length < extentsMax) extents.push({ offsetBytes, lengthBytes: blockBytes });
}
