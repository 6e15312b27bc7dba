/**
 * What is where on the volume, as squares on a canvas: told apart by colour and by pattern. Its size is that of
 * the window, whatever the size of the volume, and a square is drawn only when it changes. Pressing one tells its
 * offset. Tables say the same for the keyboard and for screen readers. Where the service tells no places, the squares
 * are sorted by state.
 */
import type { ReactElement } from 'react';
import { useEffect, useRef, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { Disclosure, DisclosurePanel } from 'react-aria-components/Disclosure';
import type { JobEventOf } from '../../app/contract/events.ts';
import type { BlockKind, BlockShares } from '../state/block-shares.ts';
import { blockKinds, blockShares, blockSquares } from '../state/block-shares.ts';
import type { PlaceSquare } from '../state/place-squares.ts';
import { bytesText, percentText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import type { Drawn } from './block-drawing.ts';
import { mapRows, useColumns, useDrawing } from './block-drawing.ts';
import { coloursOf, drawSquare, stepPixels } from './block-square.ts';
import { PlaceTable, sharePercent, usePlaceSquares } from './place-table.tsx';
import { useThemeVersion } from './theme.ts';

export interface BlockMapProps {
  readonly progress: JobEventOf<'progress'>;
  /** What counts as written may be no more than copied. */
  readonly isCounted: boolean;
}

export function BlockMap({ progress, isCounted }: BlockMapProps): ReactElement {
  const words = (kind: BlockKind): string => kindText(kind, isCounted);
  const canvas = useRef<HTMLCanvasElement>(null);
  const columns = useColumns(canvas);
  const [chosen, setChosen] = useState<number | null>(null);
  const shares = blockShares(progress);
  const placed = usePlaceSquares(progress, columns * mapRows);
  const squares = placed?.map(({ kind, crossed }) => ({ kind, filled: crossed })) ?? sortedSquares(shares, columns);
  useDrawing(canvas, { squares, columns, chosen: placed === null ? null : chosen });
  const choose = ({ nativeEvent: { offsetX, offsetY } }: React.MouseEvent): void => {
    setChosen(Math.floor(offsetY / stepPixels) * columns + Math.floor(offsetX / stepPixels));
  };
  return (
    <section className="block-map">
      <h2>{text('job.map')}</h2>
      <canvas ref={canvas} aria-hidden="true" onClick={choose} />
      <Legend shares={shares} words={words} />
      <p className="soft">{noteOf(placed, { progress, chosen, words, squareCount: squares.length })}</p>
      <Disclosure>
        <Button slot="trigger" className="button link">
          {text('job.mapShow')}
        </Button>
        <DisclosurePanel>
          <ShareTable shares={shares} words={words} totalBytes={progress.totalBytes} />
          {placed !== null && <PlaceTable progress={progress} words={words} />}
        </DisclosurePanel>
      </Disclosure>
    </section>
  );
}

/** Column by column, so that what has crossed grows from the left; they are drawn row by row. */
function sortedSquares(shares: BlockShares, columns: number): Drawn[] {
  const sorted = blockSquares(shares, columns * mapRows);
  return sorted.map((_, index) => {
    const kind = sorted[(index % columns) * mapRows + Math.floor(index / columns)] ?? 'source';
    return { kind, filled: 1 };
  });
}

interface Shown {
  readonly words: (kind: BlockKind) => string;
  readonly progress: JobEventOf<'progress'>;
  readonly chosen: number | null;
  readonly squareCount: number;
}

function noteOf(placed: readonly PlaceSquare[] | null, { progress, chosen, words, squareCount }: Shown): string {
  const size = bytesText(squareCount === 0 ? 0 : Math.ceil(progress.totalBytes / squareCount));
  if (placed === null) return text('job.mapNote', { size });
  const square = chosen === null ? undefined : placed[chosen];
  if (square === undefined) return text('job.mapPlaces', { size });
  const { offsetBytes, endBytes, kind, crossed } = square;
  return text('job.mapAt', {
    ...{ from: offsetBytes.toLocaleString('en'), to: (endBytes - 1).toLocaleString('en') },
    ...{ at: bytesText(offsetBytes), kind: words(kind), percent: sharePercent(crossed) },
  });
}

function kindText(kind: BlockKind, isCounted: boolean): string {
  return kind === 'written' && isCounted ? text('job.counted') : text(`job.kinds.${kind}`);
}

interface LegendProps {
  readonly shares: BlockShares;
  readonly words: (kind: BlockKind) => string;
}

function Legend({ shares, words }: LegendProps): ReactElement {
  return (
    <ul className="legend">
      {blockKinds.map((kind) => (
        <li key={kind} className={shares[kind] > 0 ? '' : 'faint'}>
          <Swatch kind={kind} />
          {words(kind)} <span className="figure">{bytesText(shares[kind])}</span>
        </li>
      ))}
    </ul>
  );
}

const swatchPixels = 12;

function Swatch({ kind }: { readonly kind: BlockKind }): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeVersion();
  useEffect(() => {
    const { current } = canvas;
    const context = current?.getContext('2d');
    if (current === null || !context) return;
    current.width = current.height = swatchPixels * window.devicePixelRatio;
    context.scale(window.devicePixelRatio, window.devicePixelRatio);
    drawSquare(context, { kind, filled: 1, left: 0, top: 0, size: swatchPixels }, coloursOf(current));
  }, [kind, theme]);
  return <canvas ref={canvas} className="swatch" aria-hidden="true" />;
}

interface ShareTableProps extends LegendProps {
  readonly totalBytes: number;
}

function ShareTable({ shares, words, totalBytes }: ShareTableProps): ReactElement {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{text('job.mapState')}</th>
          <th scope="col">{text('job.mapSize')}</th>
          <th scope="col">{text('job.mapShare')}</th>
        </tr>
      </thead>
      <tbody>
        {blockKinds.map((kind) => (
          <tr key={kind}>
            <th scope="row">{words(kind)}</th>
            <td>{bytesText(shares[kind])}</td>
            <td>{text('job.percent', { percent: percentText(shares[kind], totalBytes) })}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
