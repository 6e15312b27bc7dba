/** What is where on the volume, for the keyboard and for screen readers: a line for each of sixteen stretches. */
import type { ReactElement } from 'react';
import { useMemo } from 'react';
import type { JobEventOf } from '../../app/contract/events.ts';
import type { BlockKind } from '../state/block-shares.ts';
import type { PlaceSquare } from '../state/place-squares.ts';
import { placeSquares } from '../state/place-squares.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';

const stretchesMax = 16;

export interface PlaceTableProps {
  readonly progress: JobEventOf<'progress'>;
  readonly words: (kind: BlockKind) => string;
}

export function PlaceTable({ progress, words }: PlaceTableProps): ReactElement {
  const stretches = usePlaceSquares(progress, stretchesMax) ?? [];
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{text('job.mapPlace')}</th>
          <th scope="col">{text('job.mapState')}</th>
          <th scope="col">{text('job.mapCrossed')}</th>
          <th scope="col">{words('written')}</th>
        </tr>
      </thead>
      <tbody>
        {stretches.map(({ offsetBytes, endBytes, kind, crossed, written }) => (
          <tr key={offsetBytes}>
            <th scope="row">{text('job.mapStretch', { from: bytesText(offsetBytes), to: bytesText(endBytes) })}</th>
            <td>{words(kind)}</td>
            <td>{text('job.percent', { percent: sharePercent(crossed) })}</td>
            <td>{text('job.percent', { percent: sharePercent(written) })}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Null where the service does not tell it. */
export function usePlaceSquares(progress: JobEventOf<'progress'>, squareCount: number): readonly PlaceSquare[] | null {
  return useMemo(
    () => (progress.places === undefined ? null : placeSquares(progress.places, progress, squareCount)),
    [progress, squareCount],
  );
}

/** 0 and 100 only where it is exactly so. */
export function sharePercent(share: number): number {
  return share === 0 || share === 1 ? share * 100 : Math.min(99, Math.max(1, Math.round(share * 100)));
}
