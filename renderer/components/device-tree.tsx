/**
 * The disks of the machine as a tree to choose one from. What cannot be chosen stays in sight, can be reached by
 * keyboard, and says why. A device that lies on two disks (an LV) is shown under both.
 */
import type { ReactElement } from 'react';
import type { Selection } from 'react-aria-components';
import { Button } from 'react-aria-components/Button';
import { Collection } from 'react-aria-components/Collection';
import { Tree, TreeItem, TreeItemContent } from 'react-aria-components/Tree';
import type { DeviceTree as Device } from '../../app/contract/device-tree.ts';
import { text } from '../text/text.ts';
import { deviceFacts, erasedText, holdsData } from './disk-words.ts';

export type DiskRole = 'source' | 'destination';

export interface DeviceTreeProps {
  readonly role: DiskRole;
  readonly trees: readonly Device[];
  readonly chosen: string | null;
  /** Of this device and all that shares storage with it, no destination is made. */
  readonly source: string | null;
  readonly onChoose: (path: string | null) => void;
}

interface Row {
  /** Its way from the disk down: unique, also for what is shown twice. */
  readonly id: string;
  readonly device: Device;
  readonly whyNot: string | null;
  readonly children: readonly Row[];
}

export function DeviceTree({ role, trees, chosen, source, onChoose }: DeviceTreeProps): ReactElement {
  const rows = rowsOf(trees, { role, source, above: '', isRelated: false });
  const all = rows.flatMap(withBelow);
  const chosenRow = all.find(({ device }) => device.path === chosen);
  const choose = (keys: Selection): void => {
    const id = keys === 'all' ? undefined : [...keys][0];
    onChoose(all.find((row) => row.id === id)?.device.path ?? null);
  };
  return (
    <Tree
      className={`device-tree${rows.some(({ children }) => children.length > 0) ? '' : ' flat'}`}
      aria-label={text(`${role}.tree`)}
      selectionMode="single"
      selectionBehavior="toggle"
      disabledBehavior="selection"
      disabledKeys={all.filter(({ whyNot }) => whyNot !== null).map(({ id }) => id)}
      defaultExpandedKeys={all.map(({ id }) => id)}
      selectedKeys={chosenRow === undefined ? [] : [chosenRow.id]}
      onSelectionChange={choose}
      items={rows}
    >
      {(row) => <DeviceItem row={row} role={role} />}
    </Tree>
  );
}

function DeviceItem({ row, role }: { readonly row: Row; readonly role: DiskRole }): ReactElement {
  const { device, whyNot, id, children } = row;
  const words = [device.path, text(`device.kinds.${device.kind}`), ...deviceFacts(device)];
  return (
    <TreeItem id={id} textValue={words.join(', ')} className={`device-item${whyNot === null ? '' : ' cannot'}`}>
      <TreeItemContent>
        <span className="device-row">
          {children.length > 0 ? (
            <Button slot="chevron" className="chevron">
              <span aria-hidden="true">▸</span>
            </Button>
          ) : (
            <span className="chevron-space" />
          )}
          <span className="choice-mark" aria-hidden="true" />
          <span className="device-words">
            <span className="device-head">
              <strong>{device.path}</strong>
              <span className="kind">{text(`device.kinds.${device.kind}`)}</span>
            </span>
            <span className="soft breakable">{deviceFacts(device).join(' · ')}</span>
            {device.health?.state === 'failing' && (
              <span className="failing breakable">{text('device.failing', { why: device.health.message })}</span>
            )}
            <DeviceNote device={device} role={role} whyNot={whyNot} />
          </span>
        </span>
      </TreeItemContent>
      <Collection items={children}>{(child) => <DeviceItem row={child} role={role} />}</Collection>
    </TreeItem>
  );
}

interface DeviceNoteProps {
  readonly device: Device;
  readonly role: DiskRole;
  readonly whyNot: string | null;
}

function DeviceNote({ device, role, whyNot }: DeviceNoteProps): ReactElement | null {
  if (whyNot !== null) return <span className="why-not">{text('device.whyNot', { reason: whyNot })}</span>;
  if (role === 'source') return device.way === null ? null : <span>{text(`device.way.${device.way.way}`)}</span>;
  if (!holdsData(device.content)) return null;
  return <span className="erased">{text('device.warning', { content: erasedText(device) })}</span>;
}

interface RowContext {
  readonly role: DiskRole;
  readonly source: string | null;
  readonly above: string;
  /** The source is above. */
  readonly isRelated: boolean;
}

function rowsOf(trees: readonly Device[], context: RowContext): Row[] {
  return trees.map((device) => {
    const id = `${context.above} ${device.path}`;
    const isRelated = context.isRelated || device.path === context.source;
    return {
      id,
      device,
      whyNot: whyNotOf(device, { ...context, isRelated }),
      children: rowsOf(device.children, { ...context, above: id, isRelated }),
    };
  });
}

function whyNotOf(device: Device, { role, source, isRelated }: RowContext): string | null {
  if (role === 'destination' && source !== null) {
    if (device.path === source) return text('destination.isSource');
    if (isRelated || holds(device, source)) return text('destination.isRelated');
  }
  const { eligible, reason } = role === 'source' ? device.asSource : device.asDestination;
  if (eligible) return null;
  // The row says already which device it is.
  const message = reason?.message ?? '';
  return message.startsWith(`${device.path}: `) ? message.slice(device.path.length + 2) : message;
}

function holds({ children }: Device, path: string): boolean {
  return children.some((child) => child.path === path || holds(child, path));
}

function withBelow(row: Row): Row[] {
  return [row, ...row.children.flatMap(withBelow)];
}
