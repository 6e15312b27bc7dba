/**
 * Asks the person at the terminal to confirm what will be erased or grown. Without a terminal only `--yes` confirms.
 * Ctrl-C breaks the command off, Ctrl-D and every answer but "yes" leave the plan unconfirmed; nothing has
 * been done then.
 */
import { createInterface } from 'node:readline';
import { DiskferryError } from '../base/error.ts';
import type { GrowPlan } from '../contract/grow.ts';
import type { Plan } from '../contract/plan.ts';
import type { RetiredDisk } from '../contract/retire.ts';

/** Where the question is asked and answered. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream;
}

export async function confirmPlan({ destination }: Plan, terminal: Terminal = process): Promise<void> {
  const { path, toBeCreated } = destination;
  const matter = toBeCreated
    ? { would: 'the image would be made', question: `Make ${path} and start?` }
    : { would: 'its content would be erased', question: `Erase ${path} and start?` };
  await confirm(path, matter, terminal);
}

export async function confirmGrow({ disk }: GrowPlan, terminal: Terminal = process): Promise<void> {
  const { path } = disk;
  await confirm(path, { would: 'it would be grown', question: `Grow what lies on ${path}?` }, terminal);
}

export async function confirmErase({ disk }: RetiredDisk, terminal: Terminal = process): Promise<void> {
  const { path } = disk;
  await confirm(path, { would: 'all of it would be erased', question: `Erase all of ${path}?` }, terminal);
}

interface Matter {
  readonly would: string;
  readonly question: string;
}

async function confirm(path: string, { would, question }: Matter, terminal: Terminal): Promise<void> {
  const context = { device: path };
  if (terminal.stdin.isTTY !== true) {
    const message = `${path}: ${would}, and nobody is there to confirm it`;
    throw new DiskferryError('not-confirmed', message, { context });
  }
  const answer = await ask(terminal, `${question} Type "yes" to go on: `);
  if (answer === 'interrupted')
    throw new DiskferryError('interrupted', `${path}: interrupted before the start`, { context });
  if (answer !== 'yes')
    throw new DiskferryError('not-confirmed', `${path}: not confirmed, nothing was done`, { context });
}

/**
 * Only a terminal that takes every key by itself tells Ctrl-C from Ctrl-D; both leave the line unfinished.
 */
async function ask({ stdin, stderr }: Terminal, question: string): Promise<'yes' | 'no' | 'interrupted'> {
  const reader = createInterface({ input: stdin, output: stderr, terminal: true });
  try {
    return await new Promise((resolve) => {
      reader.question(question, (answer) => resolve(answer.trim() === 'yes' ? 'yes' : 'no'));
      reader.once('SIGINT', () => resolve('interrupted'));
      reader.once('close', () => resolve('no'));
    });
  } finally {
    reader.close();
    // After Ctrl-C or Ctrl-D the cursor stands behind the question still.
    stderr.write('\n');
  }
}
