/**
 * The disks of the machine as a tree to choose one from. What cannot be chosen stays in sight, can be reached by
 * keyboard, and says why. A device that lies on two disks (an LV) is shown under both. All of it is open until the
 * person closes a part; disks that come and go change nothing else in it.
 */
import type { ReactElement } from 'react';
import { useState } from 'react';
import type { Selection } from 'react-aria-components';
import { Button } from 'react-aria-components/Button';
import { Collection } from 'react-aria-components/Collection';
import { Tree, TreeItem, TreeItemContent } from 'react-aria-components/Tree';
import type { DeviceTree as Device } from '../../app/contract/device-tree.ts';
import { linkText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import type { DiskRole, Row } from './device-rows.ts';
import { deviceRows, withBelow } from './device-rows.ts';
import { deviceFacts, erasedText, holdsData } from './disk-words.ts';

export interface DeviceTreeProps {
  readonly role: DiskRole;
  readonly trees: readonly Device[];
  readonly chosen: string | null;
  /** Of this device and all that shares storage with it, no destination is made. */
  readonly source: string | null;
  readonly onChoose: (path: string | null) => void;
}

export function DeviceTree({ role, trees, chosen, source, onChoose }: DeviceTreeProps): ReactElement {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const rows = deviceRows(role, trees, source);
  const all = rows.flatMap(withBelow);
  const ids = all.map(({ id }) => id);
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
      // The second press of a double click would take the choice back.
      disallowEmptySelection
      disabledBehavior="selection"
      disabledKeys={all.filter(({ whyNot }) => whyNot !== null).map(({ id }) => id)}
      expandedKeys={ids.filter((id) => !closed.has(id))}
      onExpandedChange={(open) => setClosed(new Set(ids.filter((id) => !open.has(id))))}
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

/** As the service warns of it in the plan. */
const slowMegabits = 1000;

interface DeviceNoteProps {
  readonly device: Device;
  readonly role: DiskRole;
  readonly whyNot: string | null;
}

function DeviceNote({ device, role, whyNot }: DeviceNoteProps): ReactElement | null {
  if (whyNot !== null) return <span className="why-not">{text('device.whyNot', { reason: whyNot })}</span>;
  if (role === 'source') return device.way === null ? null : <span>{text(`device.way.${device.way.way}`)}</span>;
  const { content, linkMegabits } = device;
  return (
    <>
      {holdsData(content) && <span className="erased">{text('device.warning', { content: erasedText(device) })}</span>}
      {linkMegabits !== null && linkMegabits < slowMegabits && (
        <span className="slow">{text('device.slow', { rate: linkText(linkMegabits) })}</span>
      )}
    </>
  );
}
