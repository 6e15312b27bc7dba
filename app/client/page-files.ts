/**
 * The three files of the wizard, as both hosts give them to the page: `diskferry serve` over HTTP, and Electron's
 * main process by a protocol of its own. They are no secret: without its host the page can do nothing. Every answer
 * forbids what the page does not need.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { BuiltFile } from '../base/built-file.ts';
import { builtFile } from '../base/built-file.ts';
import { nonceMark, pagePolicy } from '../contract/page-policy.ts';

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

/** @param connect what the page may connect to, as CSP names it */
export function pageAnswer(path: string, connect: readonly string[]): PageAnswer {
  const known = Object.hasOwn(files, path) ? files[path] : undefined;
  if (known === undefined) return plainAnswer(404, 'There is no such page.');
  const nonce = randomBytes(16).toString('base64');
  const policy = pagePolicy({ nonce, connect });
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
