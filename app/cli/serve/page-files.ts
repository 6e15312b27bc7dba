/**
 * The three files of the wizard, as a browser gets them. They are no secret: without a key the page can do nothing.
 * Every answer forbids what the page does not need; the policy is that of every host (contract/page-policy.ts).
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { BuiltFile } from '../../base/built-file.ts';
import { builtFile } from '../../base/built-file.ts';
import { nonceMark, pagePolicy } from '../../contract/page-policy.ts';

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface PageFile {
  readonly file: BuiltFile;
  readonly type: string;
}

const files: Readonly<Record<string, PageFile>> = {
  '/': { file: 'renderer/index.html', type: 'text/html; charset=utf-8' },
  '/wizard.css': { file: 'renderer/wizard.css', type: 'text/css; charset=utf-8' },
  '/wizard.js': { file: 'renderer/wizard.js', type: 'text/javascript; charset=utf-8' },
};

/** @param host as the browser calls it: through a tunnel it has another port */
export function pageAnswer(path: string, host: string): PageAnswer {
  const known = Object.hasOwn(files, path) ? files[path] : undefined;
  if (known === undefined) return plainAnswer(404, 'There is no such page.');
  const nonce = randomBytes(16).toString('base64');
  const policy = pagePolicy({ nonce, connect: [`ws://${host}`] });
  const body = readFileSync(builtFile(known.file), 'utf8').replaceAll(nonceMark, nonce);
  const headers = { ...commonHeaders, 'Content-Type': known.type, 'Content-Security-Policy': policy };
  return { status: 200, headers, body };
}

export function plainAnswer(status: number, text: string): PageAnswer {
  const headers = { ...commonHeaders, 'Content-Security-Policy': "default-src 'none'" };
  return { status, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }, body: `${text}\n` };
}

const commonHeaders = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), usb=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;
