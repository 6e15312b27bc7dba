/** Both disks, always in sight: what is moved, where to, and what becomes of each. */
import type { ReactElement } from 'react';
import type { PlannedDisk } from '../../app/contract/plan.ts';
import { text } from '../text/text.ts';
import { diskFacts } from './disk-words.ts';

export type ShownDisk = Pick<PlannedDisk, 'path' | 'model' | 'serial' | 'bus' | 'sizeBytes' | 'content'>;

export interface DiskPairProps {
  readonly source: ShownDisk | null;
  readonly destination: ShownDisk | null;
  /** Before the confirmation: the destination's content is still there. */
  readonly willErase: boolean;
}

export function DiskPair({ source, destination, willErase }: DiskPairProps): ReactElement {
  return (
    <section className="disk-pair" aria-label={text('disks.label')}>
      <DiskCard role="source" disk={source} note={null} />
      <span className="arrow" aria-hidden="true">
        →
      </span>
      <DiskCard role="destination" disk={destination} note={willErase ? text('disks.erased') : null} />
    </section>
  );
}

interface DiskCardProps {
  readonly role: 'source' | 'destination';
  readonly disk: ShownDisk | null;
  readonly note: string | null;
}

function DiskCard({ role, disk, note }: DiskCardProps): ReactElement {
  return (
    <div className={`disk-card ${role}`}>
      <p className="disk-role">
        {text(`disks.${role}`)}
        {disk !== null && note !== null && <span className="erased">{note}</span>}
      </p>
      {disk === null ? (
        <p className="soft">{text('disks.notChosen')}</p>
      ) : (
        <>
          <p className="disk-name">
            <strong>{disk.path}</strong> {disk.model}
          </p>
          <p className="soft breakable">{diskFacts(disk).join(' · ')}</p>
        </>
      )}
    </div>
  );
}
