/**
 * What becomes of the command when its output cannot be written. Who reads it may go away (`| head`, a closed
 * terminal): that is no error. Anything else, such as a full disk under a log, is said once where it still
 * can be, and makes the exit code a failure; but it never ends the command, because a volume may depend on
 * us.
 */
import { exitCodes } from '../contract/exit-codes.ts';

const readerGone = ['EPIPE', 'EIO'];

export function watchOutput(): void {
  let hasFailed = false;
  for (const [name, stream] of [
    ['stdout', process.stdout],
    ['stderr', process.stderr],
  ] as const) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const { code = error.message } = error;
      if (hasFailed || readerGone.includes(code)) return;
      hasFailed = true;
      if (name === 'stdout')
        process.stderr.write(`diskferry: ${name} cannot be written: ${code}. What it lacks is lost.\n`);
    });
  }
  process.once('exit', (exitCode) => {
    if (hasFailed && exitCode === exitCodes.done) process.exitCode = exitCodes.failed;
  });
}
