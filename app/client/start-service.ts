/**
 * Has systemd start the service. Who may is polkit's decision, which asks the person where an agent runs; nothing of
 * ours becomes root for it. Without systemd, or without the unit, it says so.
 */
import { execFile } from 'node:child_process';
import { DiskferryError } from '../base/error.ts';

const unit = 'diskferryd.service';
/** Somebody may look for a password. */
const startMsMax = 5 * 60_000;

/** Throws `no-service` with what systemctl said. */
export function startService(): Promise<Record<string, never>> {
  return new Promise((resolve, reject) => {
    execFile('systemctl', ['start', unit], { timeout: startMsMax }, (error, _, said) => {
      if (error === null) resolve({});
      else reject(new DiskferryError('no-service', `${unit} could not be started: ${whyOf(error, said)}`, { cause: error }));
    });
  });
}

function whyOf(error: Error & { readonly code?: unknown; readonly killed?: boolean }, said: string): string {
  if (error.code === 'ENOENT') return 'this system has no systemd';
  if (error.killed === true) return 'systemctl did not end';
  const [first = ''] = said.trim().split('\n');
  return first === '' ? error.message : first;
}
