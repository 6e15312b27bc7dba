/**
 * While a job runs, a volume depends on this process: the engine serves it from a thread of its own, which
 * goes on whatever happens here. So an error that nobody has foreseen is told and outlived; the job can then
 * still be cut over or undone. Node would end the process, and the volume would be left on two disks.
 */

/** Returns a function that ends it. */
export function outliveFaults(): () => void {
  const tell = (error: unknown): void => {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const advice = 'Please report it with the lines below. The volume goes on being served.';
    process.stderr.write(`diskferry: this is a bug in Diskferry. ${advice}\n${trace}\n`);
  };
  // Promises that are rejected without a handler come here as well.
  process.on('uncaughtException', tell);
  return () => process.off('uncaughtException', tell);
}
