/** A limit to how long something is waited for, so that nobody waits for ever. */

/** The work itself goes on when it is late; what comes of it then, a failure too, is nobody's any more. */
export async function withTimeLimit<T>(work: Promise<T>, msMax: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const lateness = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), msMax);
  });
  try {
    return await Promise.race([work, lateness]);
  } finally {
    clearTimeout(timer);
  }
}
