/** Asks the person at the terminal to confirm what will be erased. Without a terminal only `--yes` confirms. */
import { createInterface } from 'node:readline/promises';
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';

export async function confirmPlan(plan: Plan): Promise<void> {
  const { destination } = plan;
  if (!process.stdin.isTTY) {
    const message = `${destination.path}: its content would be erased, and nobody is there to confirm it`;
    throw new DiskferryError('not-confirmed', message, { context: { device: destination.path } });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`Erase ${destination.path} and start? Type "yes" to go on: `);
    if (answer.trim() === 'yes') return;
    throw new DiskferryError('not-confirmed', `${destination.path}: not confirmed, nothing was done`);
  } finally {
    terminal.close();
  }
}
