/**
 * How the wizard's page and `diskferry serve` know each other at the WebSocket: by a key that both have, the token of
 * the link or the session made of it. Neither ever sends it; each signs (HMAC-SHA-256, as hexadecimal digits) what
 * nobody could have signed before, because a nonce of the other is in it. Without this, whoever takes the port of a
 * `serve` that has ended could show a page disks of his own, and be told a passphrase.
 *
 *     page                                      host
 *      ── open: name of the key, page's nonce ──▶   knows the key by its name
 *      ◀── proof: host's nonce, host's proof ───    has the key: only now the page believes it
 *      ── prove: page's proof ──────────────────▶   has the key: a token is void now
 *      ◀── opened ──────────────────────────────
 *
 * Two things nothing here can help. A page that is loaded anew comes from whoever has the port then. And whoever gets a
 * page's port while its `serve` lives on elsewhere, as behind a tunnel that has broken, can pass on what both say: he
 * learns no key, but what is asked and answered, a passphrase too.
 */
export interface Nonces {
  readonly page: string;
  readonly host: string;
}

/** What is signed for each purpose; none can be taken for another. */
export const signedTexts = {
  keyName: (): string => 'name',
  hostProof: ({ page, host }: Nonces): string => `host ${page} ${host}`,
  pageProof: ({ page, host }: Nonces): string => `page ${page} ${host}`,
  /** The key that takes the place of a token. */
  session: ({ page, host }: Nonces): string => `session ${page} ${host}`,
} as const;

export const nonceBytes = 32;
/** Of a nonce and of what is signed. */
export const digitsPattern = /^[0-9a-f]{64}$/;
