/**
 * What a directory must hold, kept in memory while a test changes it, and compared with what it does hold:
 * names, content, sizes, permissions, extended attributes, symbolic links, and which names are links to one
 * file.
 */
import { createHash } from 'node:crypto';
import { lstat, readFile, readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { runCommand } from '../../../app/devices/command.ts';

export interface FileState {
  readonly kind: 'file';
  /** One object for all hard links of a file. */
  content: Buffer;
  mode: number;
  readonly attributes: Map<string, string>;
}
export interface LinkState {
  readonly kind: 'symbolic link';
  readonly target: string;
}
export interface DirectoryState {
  readonly kind: 'directory';
}
export type NodeState = FileState | LinkState | DirectoryState;

/** By path relative to the directory. */
export type FileTree = Map<string, NodeState>;

type Description = Readonly<Record<string, string | number>>;

/** Plain data, one entry per path, so that a difference is shown by name. */
function describe(tree: FileTree): Record<string, Description> {
  const firstNames = new Map<FileState, string>();
  const linkCounts = new Map<NodeState, number>();
  for (const node of tree.values()) linkCounts.set(node, (linkCounts.get(node) ?? 0) + 1);
  const entries = [...tree].sort(byPath).map(([path, node]): [string, Description] => {
    if (node.kind === 'directory') return [path, { kind: node.kind }];
    if (node.kind === 'symbolic link') return [path, { kind: node.kind, target: node.target }];
    const sameAs = firstNames.get(node) ?? path;
    firstNames.set(node, sameAs);
    const attributes = JSON.stringify([...node.attributes].sort());
    const { length } = node.content;
    const links = linkCounts.get(node) ?? 0;
    return [
      path,
      { kind: node.kind, sameAs, links, length, hash: hashOf(node.content), mode: node.mode, attributes },
    ];
  });
  return Object.fromEntries(entries);
}

function byPath([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}

function hashOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export async function readTree(directory: string): Promise<FileTree> {
  const tree: FileTree = new Map();
  const filesByInode = new Map<number, FileState>();
  const attributes = await readAttributes(directory);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path);
    if (entry.isDirectory()) tree.set(name, { kind: 'directory' });
    else if (entry.isSymbolicLink()) tree.set(name, { kind: 'symbolic link', target: await readlink(path) });
    else tree.set(name, await readFileState(path, filesByInode, attributes));
  }
  return tree;
}

async function readFileState(
  path: string,
  filesByInode: Map<number, FileState>,
  attributes: ReadonlyMap<string, Map<string, string>>,
): Promise<FileState> {
  const { ino, mode } = await lstat(path);
  const known = filesByInode.get(ino);
  if (known !== undefined) return known;
  const content = await readFile(path);
  const state: FileState = {
    kind: 'file',
    content,
    mode: mode & 0o777,
    attributes: attributes.get(path) ?? new Map<string, string>(),
  };
  filesByInode.set(ino, state);
  return state;
}

/** getfattr prints `# file: PATH`, then lines of name=value, then an empty line. */
async function readAttributes(directory: string): Promise<Map<string, Map<string, string>>> {
  const parameters = [
    '--recursive',
    '--physical',
    '--no-dereference',
    '--absolute-names',
    '--dump',
    '--encoding=hex',
    directory,
  ];
  const text = await runCommand('getfattr', parameters, 'reading extended attributes');
  const found = new Map<string, Map<string, string>>();
  for (const section of text.split('\n\n')) {
    const [heading, ...lines] = section.trim().split('\n');
    const path = heading?.replace('# file: ', '') ?? '';
    found.set(
      path,
      new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
    );
  }
  return found;
}

/** Fails with the paths that differ. */
export async function expectTree(directory: string, expected: FileTree): Promise<void> {
  expect(describe(await readTree(directory))).toEqual(describe(expected));
}
