/**
 * Who may open the wizard that `serve` serves: whoever has the link, once and soon. A link's token becomes a session,
 * which lets the same tab in again after a reload or a broken connection, until `serve` ends. Both are of 256 bits
 * that nobody can guess; none is written anywhere but the token into its link, and none is ever sent (page-proof.ts).
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { nonceBytes, signedTexts } from '../../contract/page-proof.ts';

const sessionsMax = 16;
/** A link that nobody has opened stays in a terminal, or in a file, for longer than that. */
export const tokenMsMax = 10 * 60_000;

/** Of a page that has named a key that is known: what shows it that this host has the key as well. */
export interface Opening {
  readonly nonce: string;
  readonly proof: string;
  /** Whether the page has the key too. It has a session then, and a token is void. */
  readonly finish: (pageProof: string) => boolean;
}

export class PageKeys {
  readonly #now: () => number;
  #token: { readonly key: string; readonly untilMs: number } | undefined;
  /** The oldest first. */
  readonly #sessions: string[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The token of a new link; an earlier one that nobody has used is void. */
  newToken(): string {
    const key = randomBytes(32).toString('base64url');
    this.#token = { key, untilMs: this.#now() + tokenMsMax };
    return key;
  }

  /** Undefined when there is no such key, or not any more. */
  begin(keyName: string, pageNonce: string): Opening | undefined {
    const key = this.#keys().find((known) => isSame(sign(known, signedTexts.keyName()), keyName));
    if (key === undefined) return undefined;
    const nonces = { page: pageNonce, host: randomBytes(nonceBytes).toString('hex') };
    return {
      nonce: nonces.host,
      proof: sign(key, signedTexts.hostProof(nonces)),
      finish: (pageProof) => {
        // It may have become void meanwhile.
        const isOpen = isSame(pageProof, sign(key, signedTexts.pageProof(nonces))) && this.#keys().includes(key);
        if (isOpen && key === this.#token?.key) this.#exchange(sign(key, signedTexts.session(nonces)));
        return isOpen;
      },
    };
  }

  #keys(): string[] {
    const token = this.#token;
    return token !== undefined && this.#now() < token.untilMs ? [token.key, ...this.#sessions] : this.#sessions;
  }

  #exchange(session: string): void {
    this.#token = undefined;
    this.#sessions.push(session);
    if (this.#sessions.length > sessionsMax) this.#sessions.shift();
  }
}

function sign(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Takes as long whatever the difference is; both are digits of one length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
