/**
 * What the wizard's page may do, the same under every host: run its own script, use its own style sheet, and speak
 * to its host. Nothing else, and nothing from anywhere else.
 *
 * The nonce, another one for each load, is for the one style element that React Aria makes.
 */
export interface PagePolicyOptions {
  readonly nonce: string;
  /** What it may connect to, as CSP names it. */
  readonly connect: readonly string[];
}

/** Stands in the page's file where its nonce goes. */
export const nonceMark = '@NONCE@';

export function pagePolicy({ nonce, connect }: PagePolicyOptions): string {
  const directives: Readonly<Record<string, readonly string[]>> = {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'style-src': ["'self'", `'nonce-${nonce}'`],
    // The empty icon.
    'img-src': ['data:'],
    'connect-src': connect.length === 0 ? ["'none'"] : connect,
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  };
  return Object.entries(directives)
    .map(([name, values]) => [name, ...values].join(' '))
    .join('; ');
}
