/** Both disks, always in sight: what is moved, where to, and what becomes of each. */
import type { ReactElement } from 'react';
import type { PlannedDisk } from '../../app/contract/plan.ts';
import { text } from '../text/text.ts';
import { diskFacts, ownFacts } from './disk-words.ts';

export type ShownDisk = Pick<PlannedDisk, 'path' | 'model' | 'serial' | 'bus' | 'sizeBytes' | 'content'>;

/** All that is known of the disk of a job whose plan nobody has told. */
export type NamedDisk = Pick<PlannedDisk, 'path'>;

/** `choosing`: the destination's content is still there. `moved`, `undone`: how a job has ended. */
export type PairState = 'choosing' | 'moving' | 'moved' | 'undone';

export interface DiskPairProps {
  readonly source: ShownDisk | NamedDisk | null;
  readonly destination: ShownDisk | NamedDisk | null;
  readonly state: PairState;
}

interface Note {
  readonly words: 'erased' | 'holdsVolume';
  readonly look: 'erased' | 'truth';
}
const holdsVolume: Note = { words: 'holdsVolume', look: 'truth' };

const notes: Readonly<Record<PairState, Readonly<Record<'source' | 'destination', Note | null>>>> = {
  choosing: { source: null, destination: { words: 'erased', look: 'erased' } },
  moving: { source: null, destination: null },
  moved: { source: null, destination: holdsVolume },
  undone: { source: holdsVolume, destination: null },
};

export function DiskPair({ source, destination, state }: DiskPairProps): ReactElement {
  // Later, what was on the destination is gone.
  const factsOf = state === 'choosing' ? diskFacts : ownFacts;
  return (
    <section className="disk-pair" aria-label={text('disks.label')}>
      <DiskCard role="source" disk={source} note={notes[state].source} factsOf={diskFacts} />
      <span className="arrow" aria-hidden="true">
        →
      </span>
      <DiskCard role="destination" disk={destination} note={notes[state].destination} factsOf={factsOf} />
    </section>
  );
}

interface DiskCardProps {
  readonly role: 'source' | 'destination';
  readonly disk: ShownDisk | NamedDisk | null;
  readonly note: Note | null;
  readonly factsOf: (disk: ShownDisk) => readonly string[];
}

function DiskCard({ role, disk, note, factsOf }: DiskCardProps): ReactElement {
  return (
    <div className={`disk-card ${role}`}>
      <p className="disk-role">
        {text(`disks.${role}`)}
        {disk !== null && note !== null && <span className={note.look}>{text(`disks.${note.words}`)}</span>}
      </p>
      {disk === null ? (
        <p className="soft">{text('disks.notChosen')}</p>
      ) : (
        <>
          <p className="disk-name">
            <strong>{disk.path}</strong> {'model' in disk ? disk.model : ''}
          </p>
          {'model' in disk && <p className="soft breakable">{factsOf(disk).join(' · ')}</p>}
        </>
      )}
    </div>
  );
}
