/**
 * The layers of the code: which folder may import which, that no file is part of a cycle, and that only one
 * file loads the addon. The compiler checks the first by project references too; this also catches a
 * reference that was added to a project where the table does not allow it.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Besides itself and `base`, which everybody may import. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  native: [],
  'app/base': [],
  'app/contract': [],
  'app/flags': [],
  'app/devices': ['app/contract', 'native'],
  'app/journal': ['app/devices', 'app/flags'],
  'app/router': ['app/devices', 'app/flags', 'app/journal'],
  'app/copy': ['app/devices', 'app/flags', 'app/journal'],
  'app/frontends': ['native', 'app/router'],
  'app/engine': [
    'app/contract',
    'app/devices',
    'app/flags',
    'app/journal',
    'app/router',
    'app/copy',
    'app/frontends',
    'native',
  ],
  'app/substitution': ['app/contract', 'app/devices', 'native'],
  'app/grow': ['app/contract', 'app/devices'],
  'app/migration': [
    'app/contract',
    'app/devices',
    'app/grow',
    'app/flags',
    'app/journal',
    'app/router',
    'app/copy',
    'app/frontends',
    'app/engine',
    'app/substitution',
  ],
  'app/client': ['app/contract'],
  'app/service': ['app/contract', 'app/devices', 'app/migration'],
  'app/cli': ['app/contract', 'app/client', 'app/migration'],
  main: ['app/contract', 'app/client'],
  renderer: ['app/contract'],
};

/** What a layer may take from a lower one, where it is less than everything. */
const onlyFiles: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'app/frontends': { 'app/router': ['app/router/request.ts'] },
};

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name));
}

function layerOf(file: string): string {
  const [first, second] = file.split('/');
  return first === 'app' ? `app/${second ?? ''}` : (first ?? '');
}

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const pattern = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'(\.[^']+)'/gm;
  return [...text.matchAll(pattern)].map(([, type, path]) => ({
    from: file,
    to: relative(root, resolve(root, dirname(file), path ?? '')),
    isTypeOnly: type !== undefined,
  }));
}

const files = Object.keys(mayImport).flatMap(sources);
const imports = files.flatMap(importsOf);

function isAllowed({ from, to }: Import): boolean {
  const own = layerOf(from);
  const other = layerOf(to);
  if (own === other || other === 'app/base') return true;
  if (!(mayImport[own] ?? []).includes(other)) return false;
  return onlyFiles[own]?.[other]?.includes(to) ?? true;
}

/** A cycle as a path of files, or undefined. Types leave no trace at run time, so only values count. */
function findCycle(): string[] | undefined {
  const next = new Map(
    files.map((file) => [file, imports.filter((one) => one.from === file && !one.isTypeOnly)]),
  );
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const { to } of next.get(file) ?? []) {
      const cycle = visit(to, [...path, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of files) {
    const cycle = visit(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('layers', () => {
  it('reads the imports of every layer', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(files.length);
  });

  it('allows only the imports of the table', () => {
    const forbidden = imports.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} imports ${to}`);
    expect(forbidden).toEqual([]);
  });

  it('knows every folder of app', () => {
    const folders = readdirSync(join(root, 'app')).map((name) => `app/${name}`);
    expect(folders.filter((folder) => !(folder in mayImport))).toEqual([]);
  });

  it('has no import cycle', () => {
    expect(findCycle()).toBeUndefined();
  });

  it('loads the addon in native/binding.ts only', () => {
    const loaders = files.filter((file) =>
      /createRequire|dlopen/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(loaders).toEqual(['native/binding.ts']);
  });

  it('keeps Electron out of app and renderer', () => {
    const users = files.filter((file) => /from 'electron'/.test(readFileSync(join(root, file), 'utf8')));
    expect(users.filter((file) => !file.startsWith('main/'))).toEqual([]);
  });

  it('keeps Node out of the renderer, and out of all that it imports', () => {
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const one of imports) if (one.from === file && !one.isTypeOnly) visit(one.to);
    };
    visit('renderer/main.tsx');
    expect(seen.has('app/contract/events.ts')).toBe(true);
    const users = [...seen].filter((file) =>
      /from 'node:|from 'vscode-jsonrpc|\bprocess\.|\bBuffer\./.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(users).toEqual([]);
  });
});
