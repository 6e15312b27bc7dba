/**
 * The page's key to its host, and what the page makes of it: it signs, and is never sent (app/contract/page-proof.ts).
 * Browsers sign only for pages of this machine, or of a host by TLS; the wizard's is always one of the first.
 */
import { nonceBytes } from '../../app/contract/page-proof.ts';

export async function sign(key: string, text: string): Promise<string> {
  const encoder = new TextEncoder();
  const how = { name: 'HMAC', hash: 'SHA-256' };
  const made = await crypto.subtle.importKey('raw', encoder.encode(key), how, false, ['sign']);
  return digitsOf(new Uint8Array(await crypto.subtle.sign('HMAC', made, encoder.encode(text))));
}

export function newNonce(): string {
  return digitsOf(crypto.getRandomValues(new Uint8Array(nonceBytes)));
}

function digitsOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
