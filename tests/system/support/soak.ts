/**
 * The same test with modest counts in `npm test`, and with those that the issues name in `npm run test:soak`,
 * which says so by an environment variable.
 */
export const isSoak = process.env['DISKFERRY_SOAK'] === '1';

export function usuallyOrInSoak(usually: number, inSoak: number): number {
  return isSoak ? inSoak : usually;
}
