/**
 * Both disks as bars of one scale, before and after: what is on them, and what becomes of it. The bars are for the
 * eye; the words below them say the same.
 */
import type { ReactElement } from 'react';
import type { DeviceTree } from '../../app/contract/device-tree.ts';
import type { Plan } from '../../app/contract/plan.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { contentText } from './disk-words.ts';

interface Segment {
  readonly name: string;
  readonly bytes: number;
  readonly kind: 'moved' | 'erased' | 'unused' | 'outdated';
}

export interface LayoutBarsProps {
  readonly plan: Plan;
  /** As the inventory has it; undefined when it is not there any more. */
  readonly source: DeviceTree | undefined;
}

export function LayoutBars({ plan, source }: LayoutBarsProps): ReactElement {
  const { source: from, destination: to } = plan;
  const scaleBytes = Math.max(from.sizeBytes, to.sizeBytes);
  const moved = movedSegments(plan, source);
  const erased: Segment = { name: contentText(to.content), bytes: to.sizeBytes, kind: 'erased' };
  const outdated: Segment = { name: text('plan.outdated'), bytes: from.sizeBytes, kind: 'outdated' };
  const beyondBytes = to.sizeBytes - from.sizeBytes;
  const beyond: Segment = { name: text('plan.beyond'), bytes: beyondBytes, kind: 'unused' };
  const after = beyondBytes > 0 ? [...moved, beyond] : moved;
  return (
    <div className="layout-bars">
      <div>
        <h3>{text('plan.before')}</h3>
        <Bar path={from.path} segments={moved} scaleBytes={scaleBytes} />
        <Bar path={to.path} segments={[erased]} scaleBytes={scaleBytes} />
      </div>
      <div>
        <h3>{text('plan.after')}</h3>
        <Bar path={from.path} segments={[outdated]} scaleBytes={scaleBytes} />
        <Bar path={to.path} segments={after} scaleBytes={scaleBytes} />
      </div>
    </div>
  );
}

function movedSegments({ source: from }: Plan, tree: DeviceTree | undefined): Segment[] {
  const parts = (tree?.children ?? []).filter(({ offsetBytes }) => offsetBytes !== null);
  if (parts.length === 0) return [{ name: contentText(from.content), bytes: from.sizeBytes, kind: 'moved' }];
  const named = parts.map(({ path, content, sizeBytes }): Segment => {
    const type = content?.fileSystemType;
    const name = path.replace(/^.*\//, '');
    return { name: typeof type === 'string' ? `${name} ${contentText(content)}` : name, bytes: sizeBytes, kind: 'moved' };
  });
  const rest = from.sizeBytes - named.reduce((sum, { bytes }) => sum + bytes, 0);
  return rest > 0 ? [...named, { name: text('plan.beyond'), bytes: rest, kind: 'unused' }] : named;
}

interface BarProps {
  readonly path: string;
  readonly segments: readonly Segment[];
  readonly scaleBytes: number;
}

function Bar({ path, segments, scaleBytes }: BarProps): ReactElement {
  const words = segments.map(({ name, bytes }) => `${name}, ${bytesText(bytes)}`);
  return (
    <figure className="layout-bar">
      <div className="bar" aria-hidden="true">
        {segments.map(({ name, bytes, kind }, index) => (
          <span key={index} className={kind} style={{ width: `${(bytes / scaleBytes) * 100}%` }}>
            {name}
          </span>
        ))}
      </div>
      <figcaption>
        <strong>{path}</strong> · {words.join(' · ')}
      </figcaption>
    </figure>
  );
}
