/** What will grow, as a person reads it before saying yes: each layer before and after, in bytes, and by which program. */
import type { GrowLayer, GrowLayerKind, GrowPlan } from '../contract/grow.ts';
import { formatBytes } from './format.ts';
import { wrapUnder } from './wrap.ts';

/** Where the output goes to a file. */
const fileColumns = 100;
const indentWidth = 6;

const kindTexts: Readonly<Record<GrowLayerKind, string>> = {
  table: 'partition table',
  partition: 'partition',
  luks: 'LUKS container',
  'physical-volume': 'physical volume',
  'logical-volume': 'logical volume',
  'file-system': 'file system',
};

/** Wrapped to the width of the stream that it will be written to. */
export function growText(plan: GrowPlan, stream: { readonly columns?: number }): string {
  const { disk, layers, notes, repairsBackupTable } = plan;
  // A terminal that does not know its size says 0.
  const columns = stream.columns === undefined || stream.columns === 0 ? fileColumns : stream.columns;
  const what = [disk.model, disk.serial === null ? null : `serial ${disk.serial}`].filter((part) => part !== null);
  const repair = repairsBackupTable ? ['The damaged backup of the partition table is made anew.'] : [];
  const rows = [
    ['Disk', `${disk.path}, ${formatBytes(disk.sizeBytes)}${what.length === 0 ? '' : ` (${what.join(', ')})`}`],
    ...layers.map((layer, index) => [index === 0 ? 'Grow' : '', layerText(layer)]),
    ...[...repair, ...notes].map((note) => ['Note', note]),
  ] as const;
  return rows
    .map(([name = '', text = '']) => name.padEnd(indentWidth) + wrapUnder(text, { columns, indentWidth }))
    .join('\n');
}

export function layerText(layer: GrowLayer): string {
  const { beforeBytes, afterBytes, grows, by } = layer;
  const sizes = grows
    ? beforeBytes === afterBytes
      ? `${sizeText(beforeBytes)}, made anew`
      : `${sizeText(beforeBytes)} -> ${sizeText(afterBytes)}`
    : `${sizeText(beforeBytes)}, stays`;
  return `${layerName(layer)}: ${sizes}${by === '' ? '' : ` by ${by}`}`;
}

export function layerName({ kind, name, type }: GrowLayer): string {
  return `${kindTexts[kind]} ${name} (${type})`;
}

function sizeText(bytes: number): string {
  return `${bytes} bytes (${formatBytes(bytes)})`;
}
