/**
 * The passphrase of a LUKS container that is to be moved while it is open: from a file, or from the person at
 * the terminal, who does not see it. Bytes from the first to the last, so that they can be wiped; whoever
 * gets them does.
 */
import { readFile } from 'node:fs/promises';
import { DiskferryError, messageOf } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import type { Terminal } from './confirm.ts';

/** As cryptsetup's own limit for what is typed. */
const typedBytesMax = 512;
const key = { interrupt: 3, end: 4, backspace: 8, newline: 10, enter: 13, delete: 127 } as const;

/** A terminal that can be told to hand over each key. */
export interface SecretTerminal extends Terminal {
  readonly stdin: Terminal['stdin'] & { setRawMode?(isRaw: boolean): unknown };
}

/**
 * Undefined when the plan needs none. A key file is taken as it is, with every line end, also instead of a token's key.
 */
export async function readPassphrase(
  { source, mappedUsers }: Plan,
  keyFile: string | undefined,
  terminal: SecretTerminal = process,
): Promise<Uint8Array | undefined> {
  const opensByToken = mappedUsers.some(({ tokenKey }) => tokenKey !== undefined);
  const isNeeded = mappedUsers.some(({ needsPassphrase }) => needsPassphrase);
  if (!isNeeded && !(opensByToken && keyFile !== undefined)) return undefined;
  return readPassphraseFor(source.path, keyFile, terminal);
}

/** Of the container on a device that needs one. */
export async function readPassphraseFor(
  path: string,
  keyFile: string | undefined,
  terminal: SecretTerminal = process,
): Promise<Uint8Array> {
  const context = { device: path };
  if (keyFile !== undefined) return readKeyFile(keyFile);
  if (terminal.stdin.isTTY !== true) {
    throw new DiskferryError(
      'passphrase-needed',
      `${path}: the passphrase of its LUKS container is needed`,
      { context },
    );
  }
  const typed = await ask(`Passphrase for ${path}: `, terminal);
  if (typed === null)
    throw new DiskferryError('interrupted', `${path}: interrupted before the start`, { context });
  return typed;
}

/**
 * The terminal shows nothing of what is typed from before it asks, for those who type ahead. Null when broken
 * off.
 */
async function ask(question: string, { stdin, stderr }: SecretTerminal): Promise<Uint8Array | null> {
  stdin.setRawMode?.(true);
  try {
    stderr.write(question);
    return await readTyped(stdin);
  } finally {
    stdin.setRawMode?.(false);
    stderr.write('\n');
  }
}

async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const message = `${path}: the key file cannot be read: ${messageOf(cause)}`;
    throw new DiskferryError('passphrase-needed', message, { context: { device: path }, cause });
  }
}

/** Null when broken off. */
async function readTyped(stdin: SecretTerminal['stdin']): Promise<Uint8Array | null> {
  const line = new TypedLine();
  let take: ((pressed: Buffer) => void) | undefined;
  try {
    const end = await new Promise<'entered' | 'interrupted'>((resolve) => {
      take = (pressed) => {
        const reached = line.type(pressed);
        if (reached !== undefined) resolve(reached);
      };
      stdin.on('data', take);
      stdin.once('end', () => resolve('interrupted'));
    });
    return end === 'entered' ? line.bytes() : null;
  } finally {
    line.wipe();
    if (take !== undefined) stdin.off('data', take);
    stdin.pause();
  }
}

class TypedLine {
  readonly #bytes = new Uint8Array(typedBytesMax);
  #length = 0;

  /** Wipes `pressed`. Returns how the line has ended, if it has. */
  type(pressed: Buffer): 'entered' | 'interrupted' | undefined {
    try {
      for (const byte of pressed) {
        if (byte === key.interrupt) return 'interrupted';
        if (byte === key.enter || byte === key.newline || byte === key.end) return 'entered';
        this.#take(byte);
      }
      return undefined;
    } finally {
      pressed.fill(0);
    }
  }

  #take(byte: number): void {
    if (byte === key.backspace || byte === key.delete) this.#length = Math.max(0, this.#length - 1);
    else if (this.#length < typedBytesMax) this.#bytes[this.#length++] = byte;
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  wipe(): void {
    this.#bytes.fill(0);
  }
}
