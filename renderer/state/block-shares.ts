/**
 * How much of a volume is in which state, from its last progress: for the block map and its table. Every byte
 * counts once, so the shares always make up the whole volume.
 *
 * The service tells amounts, not places: only what is unreadable has its offsets, in the decision.
 */
import type { JobEventOf } from '../../app/contract/events.ts';

/** In the order in which the map shows them: from what is done to what is not. */
export const blockKinds = ['verified', 'copied', 'written', 'free', 'source', 'unreadable'] as const;
export type BlockKind = (typeof blockKinds)[number];
export type BlockShares = Readonly<Record<BlockKind, number>>;

export function blockShares(progress: JobEventOf<'progress'>): BlockShares {
  const { totalBytes, pendingBytes, unreadableBytes, skippedBytes, toReturnBytes, verifiedBytes } = progress;
  const unreadable = Math.min(unreadableBytes, pendingBytes);
  const crossed = totalBytes - pendingBytes;
  // Once a part is reached directly, all of it counts as written, free space as well.
  const written = Math.min(toReturnBytes, crossed);
  const free = Math.min(skippedBytes, crossed - written);
  const copied = crossed - written - free;
  // Reading back goes by place; of what has been copied it has done that share.
  const verified = totalBytes === 0 ? 0 : Math.floor((copied * verifiedBytes) / totalBytes);
  return { verified, copied: copied - verified, written, free, source: pendingBytes - unreadable, unreadable };
}

/**
 * The same in squares. A kind that exists at all has one, however small its share: what is unreadable must not
 * vanish in a large disk.
 */
export function blockSquares(shares: BlockShares, squareCount: number): BlockKind[] {
  const total = blockKinds.reduce((sum, kind) => sum + shares[kind], 0);
  if (total === 0) return [];
  const counts = new Map(
    blockKinds.map((kind) => {
      const exact = (shares[kind] / total) * squareCount;
      return [kind, shares[kind] > 0 ? Math.max(1, Math.round(exact)) : 0];
    }),
  );
  const largest = blockKinds.reduce((one, other) => (shares[other] > shares[one] ? other : one));
  const sum = [...counts.values()].reduce((one, other) => one + other, 0);
  counts.set(largest, Math.max(1, (counts.get(largest) ?? 0) + squareCount - sum));
  return blockKinds.flatMap((kind) => Array.from({ length: counts.get(kind) ?? 0 }, () => kind));
}
