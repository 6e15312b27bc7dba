/**
 * Starts programs of the system in sessions of their own: a Ctrl-C at the terminal is for Diskferry, which
 * ends its programs itself when it is ready to.
 *
 * Between fork and setsid a child still is in our process group, and a signal to the group ends it before it
 * is the program; such a child is started again. It can be told apart because libuv's spawn returns only when
 * the child has become the program or is dying (it reads the exec's result from a pipe), and the program
 * itself is out of reach.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** PF_FORKNOEXEC of the kernel's sched.h: "forked but didn't exec", also of a process that has ended. */
const neverExecuted = 0x40;
/** The place of the process's flags after its name in /proc/PID/stat (proc_pid_stat(5), field 9). */
const flagsIndex = 6;

/** `start` spawns the program, with the options that it is given among its own. */
export function inOwnSession<Child extends ChildProcess>(
  start: (own: { readonly detached: true }) => Child,
): Child {
  for (;;) {
    const child = start({ detached: true });
    if (child.pid === undefined || !hasDiedUnborn(child.pid)) return child;
  }
}

/** It is our child and not waited for yet, so its number is nobody else's. */
function hasDiedUnborn(pid: number): boolean {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[flagsIndex]) & neverExecuted) !== 0;
}
