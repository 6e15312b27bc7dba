/** Why a copy loop has stopped before everything had crossed. An errno is negative, as the kernel gave it. */
import { errno } from '../base/errno.ts';

export type CopyFailure =
  | {
      readonly operation: 'write';
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly errno: number;
    }
  /** Nothing can be read any more of the disk that blocks come from. */
  | { readonly operation: 'any read'; readonly errno: number }
  /** All has crossed that can be read. */
  | { readonly operation: 'the last reads'; readonly blockCount: number }
  /** A broken assumption: copying stops, serving goes on. */
  | { readonly operation: 'bug'; readonly message: string };

/** The kernel's word that there is no such disk any more, whatever block is asked for. */
export function isGone(result: number): boolean {
  return result === errno.noDevice || result === errno.noAddress || result === errno.noMedium;
}
