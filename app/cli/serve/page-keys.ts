/**
 * Who may open the wizard that `serve` serves: whoever has the link, once. A link's token becomes a session, which
 * lets the same tab in again after a reload or a broken connection, until `serve` ends. Both are random, of 256
 * bits; none is written anywhere but into the link.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const sessionsMax = 16;

export class PageKeys {
  #token: string | undefined;
  /** The oldest first. */
  readonly #sessions: string[] = [];

  /** The token of a new link; an earlier one that nobody has used is void. */
  newToken(): string {
    return (this.#token = newKey());
  }

  /** The session for a token, which is void then, or for a session; undefined for anything else. */
  open(key: string): string | undefined {
    if (this.#token !== undefined && isSame(key, this.#token)) {
      this.#token = undefined;
      return this.#newSession();
    }
    return this.#sessions.find((session) => isSame(key, session));
  }

  #newSession(): string {
    const session = newKey();
    this.#sessions.push(session);
    if (this.#sessions.length > sessionsMax) this.#sessions.shift();
    return session;
  }
}

function newKey(): string {
  return randomBytes(32).toString('base64url');
}

/** Takes as long whatever the difference is. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
