/**
 * Device trees as people read them: indented, truthful about what each device is, and why it cannot be moved.
 */
import { styleText } from 'node:util';
import type { DeviceTree } from '../contract/device-tree.ts';
import { formatBytes } from './format.ts';

const indent = '  ';

export function deviceText(tree: DeviceTree, depth = 0): string {
  const margin = indent.repeat(depth);
  const lines = [`${margin}${headline(tree)}`];
  const { reason } = tree.asSource;
  if (reason !== null)
    lines.push(`${margin}${indent}${styleText('dim', `cannot be moved: ${reason.message}`)}`);
  if (tree.way !== null)
    lines.push(`${margin}${indent}${styleText('dim', `would move by ${tree.way.way}: ${tree.way.reason}`)}`);
  return [...lines, ...tree.children.map((child) => deviceText(child, depth + 1))].join('\n');
}

const healthTexts = {
  good: 'health good',
  failing: styleText('red', 'HEALTH FAILING'),
  unknown: '',
} as const;

function headline(tree: DeviceTree): string {
  const { path, kind, sizeBytes, vendor, model, serial, bus, content, mountPoints, backingFile, usedBytes } =
    tree;
  const parts = [
    styleText('bold', path),
    kind,
    formatBytes(sizeBytes),
    [vendor, model]
      .filter((name) => name !== null)
      .join(' ')
      .trim(),
    serial === null ? '' : `serial ${serial}`,
    bus ?? '',
    content?.fileSystemType ?? content?.partitionTableType ?? '',
    content?.label === null || content?.label === undefined ? '' : `"${content.label}"`,
    usedBytes === null ? '' : `${formatBytes(usedBytes)} used`,
    backingFile === null ? '' : `over ${backingFile}`,
    mountPoints.length === 0 ? '' : `on ${mountPoints.join(', ')}`,
    tree.isSwap ? 'swap' : '',
    tree.health === null ? '' : healthTexts[tree.health.state],
    tree.readOnly ? 'read-only' : '',
  ];
  return parts.filter((part) => part !== '').join('  ');
}
