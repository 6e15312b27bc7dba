/** Who is at the other end of a Unix socket: the kernel's word of the moment when it connected. */
import { readFileSync } from 'node:fs';
import { addon } from '../../native/binding.ts';

export interface Peer {
  readonly processId: number;
  readonly userId: number;
  readonly groupId: number;
}

/** Throws with an errno when the descriptor is no connected Unix socket. */
export function peerOf(fd: number): Peer {
  const [processId, userId, groupId] = addon().peerCredentials(fd);
  return { processId, userId, groupId };
}

/**
 * Of the fields after the command's name in /proc/PID/stat, which ends with the last bracket:
 * proc_pid_stat(5).
 */
const startTimeField = 19;

/**
 * When the process began, in the kernel's ticks: with it a number means one process for ever. Null when it is
 * gone.
 */
export function startTimeOf(processId: number): string | null {
  try {
    const text = readFileSync(`/proc/${processId}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[startTimeField] ?? null;
  } catch {
    return null;
  }
}
