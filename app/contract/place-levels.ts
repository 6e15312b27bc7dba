/** How finely what is where on a volume is told (places.ts), for those who count it as well: the engine's worker. */
export const partsMax = 512;
export const placeKinds = ['crossed', 'written', 'free', 'unreadable'] as const;
export type PlaceKind = (typeof placeKinds)[number];

export const levelMax = 63;

/** 0 only for none, `levelMax` only for all. */
export function levelFor(count: number, of: number): number {
  if (count <= 0) return 0;
  if (count >= of) return levelMax;
  return Math.min(levelMax - 1, Math.max(1, Math.round((count / of) * levelMax)));
}
