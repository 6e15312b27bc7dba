/**
 * Who may open the wizard that `serve` serves: whoever has the link, once and soon. A link's token becomes a session,
 * which lets the same tab in again after a reload or a broken connection, until `serve` ends or many others have come
 * while no page had it open. Both are of 256 bits that nobody can guess; none is written anywhere but the token into
 * its link, and none is ever sent (page-proof.ts).
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { nonceBytes, signedTexts } from '../../contract/page-proof.ts';

/** Without those that pages have open. */
const idleSessionsMax = 16;
/** A link that nobody has opened stays in a terminal, or in a file, for longer than that. */
export const tokenMsMax = 10 * 60_000;

/** Of a page that has named a key that is known: what shows it that this host has the key as well. */
export interface Opening {
  readonly nonce: string;
  readonly proof: string;
  /** Undefined when the page has not the key too. Else it has a session now, and a token is void. */
  readonly finish: (pageProof: string) => OpenSession | undefined;
}

export interface OpenSession {
  /** The page is gone; it may come back. */
  readonly leave: () => void;
}

export class PageKeys {
  readonly #now: () => number;
  #token: { readonly key: string; readonly untilMs: number } | undefined;
  /** How many pages have each open; the one that was opened least lately comes first. */
  readonly #sessions = new Map<string, number>();

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
        if (!isSame(pageProof, sign(key, signedTexts.pageProof(nonces))) || !this.#keys().includes(key)) return undefined;
        if (key !== this.#token?.key) return this.#enter(key);
        this.#token = undefined;
        return this.#enter(sign(key, signedTexts.session(nonces)));
      },
    };
  }

  #keys(): string[] {
    const token = this.#token;
    const sessions = [...this.#sessions.keys()];
    return token !== undefined && this.#now() < token.untilMs ? [token.key, ...sessions] : sessions;
  }

  #enter(session: string): OpenSession {
    const pages = this.#sessions.get(session) ?? 0;
    this.#sessions.delete(session);
    this.#sessions.set(session, pages + 1);
    this.#forgetIdle();
    return { leave: () => this.#sessions.set(session, (this.#sessions.get(session) ?? 1) - 1) };
  }

  /** Never the one of a page that is open: it could not come back when its connection breaks. */
  #forgetIdle(): void {
    const idle = [...this.#sessions].filter(([, pages]) => pages === 0);
    for (const [session] of idle.slice(0, -idleSessionsMax)) this.#sessions.delete(session);
  }
}

function sign(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Takes as long whatever the difference is; both are digits of one length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
