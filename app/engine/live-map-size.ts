/** How long the file of a live map is (live-map.ts). */
const pageBytes = 4096;

/** Of one map, up to the next page. */
export function mapBytes(blockCount: number): number {
  return Math.ceil(blockCount / 8 / pageBytes) * pageBytes;
}

export function liveMapBytes(blockCount: number): number {
  return 2 * mapBytes(blockCount) + pageBytes;
}
