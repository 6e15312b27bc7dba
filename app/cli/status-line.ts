/** How a job stands, as the commands print it: one line of JSON for programs, a line or two for people. */
import type { JobStatus, StatusLine } from '../contract/control.ts';
import { eventText } from './event-text.ts';
import { controlCommand } from './state-directory.ts';

export interface Shown {
  /** Where the job keeps its state, for the commands that its events name. */
  readonly stateDirectory: string;
  readonly json: boolean;
}

export function showStatus(status: JobStatus | StatusLine, { stateDirectory, json }: Shown): void {
  if (json) {
    const line: StatusLine = { event: 'status', timeMs: Date.now(), ...status };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  if (status.state === 'died') {
    process.stderr.write(`${deathText(status, stateDirectory)}\n`);
    return;
  }
  if (status.state === 'not-answering') {
    process.stdout.write(`${silenceText(status)}\n`);
    return;
  }
  const { job, state, device, speed, progress, decision } = status;
  const use = `used through ${device ?? 'nothing yet'}, speed ${speed ?? 'unknown'}`;
  process.stdout.write(`${job}: ${state}, ${disksOf(status)}, ${use}\n`);
  for (const event of [progress, decision])
    if (event !== null) process.stdout.write(`  ${eventText(event, stateDirectory)}\n`);
}

function disksOf({ source, destination }: JobStatus | StatusLine): string {
  return `${source ?? 'an unknown disk'} to ${destination ?? 'an unknown disk'}`;
}

function silenceText(status: JobStatus | StatusLine): string {
  const all = 'its volume may be in use all the same, so end nothing by force and keep both disks as they are';
  return `${status.job}: does not answer, ${disksOf(status)}; ${all}`;
}

/** From another process's word, which has no more to tell of it. */
function deathText(status: JobStatus | StatusLine, stateDirectory: string): string {
  const { job, source } = status;
  const kept = source === null ? 'every disk that it may have moved' : 'both disks';
  const goOn = controlCommand('recover', job, stateDirectory);
  return `${job}: the job died while it moved ${disksOf(status)}. Keep ${kept}, and run "${goOn}".`;
}
