/**
 * Which build this code is of: another one each time that the programs are built (resources/build.mjs). Processes that
 * speak to each other without schemas, or find what the other has left in memory, must be of one build.
 */
declare const diskferryBuild: string | undefined;

/** Null where the code runs from its source, as in tests. */
export const buildId: string | null = typeof diskferryBuild === 'undefined' ? null : diskferryBuild;

export type BuildId = typeof buildId;

/** Whether the other, who says this or nothing of its build, may be of another one than we are. */
export function isOtherBuild(other: BuildId | undefined, own: BuildId = buildId): boolean {
  return own !== null && other !== null && other !== own;
}
