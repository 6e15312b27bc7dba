/**
 * How much of the volume is where, as squares on a canvas: told apart by colour and by pattern. Its size is that of
 * the window, whatever the size of the volume, and it is drawn only when a square changes. A table says the same
 * for the keyboard and for screen readers.
 */
import type { ReactElement } from 'react';
import { useEffect, useRef, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { Disclosure, DisclosurePanel } from 'react-aria-components/Disclosure';
import type { JobEventOf } from '../../app/contract/events.ts';
import type { BlockKind, BlockShares } from '../state/block-shares.ts';
import { blockKinds, blockShares, blockSquares } from '../state/block-shares.ts';
import { bytesText, percentText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { drawSquare, squarePixels, stepPixels } from './block-square.ts';
import { useThemeVersion } from './theme.ts';

const rows = 8;

export function BlockMap({ progress }: { readonly progress: JobEventOf<'progress'> }): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const columns = useColumns(canvas);
  const shares = blockShares(progress);
  const squares = blockSquares(shares, columns * rows);
  useDrawing(canvas, squares, columns);
  const squareBytes = squares.length === 0 ? 0 : Math.ceil(progress.totalBytes / squares.length);
  return (
    <section className="block-map">
      <h2>{text('job.map')}</h2>
      <canvas ref={canvas} aria-hidden="true" />
      <Legend shares={shares} />
      <p className="soft">{text('job.mapNote', { size: bytesText(squareBytes) })}</p>
      <Disclosure>
        <Button slot="trigger" className="button link">
          {text('job.mapShow')}
        </Button>
        <DisclosurePanel>
          <ShareTable shares={shares} totalBytes={progress.totalBytes} />
        </DisclosurePanel>
      </Disclosure>
    </section>
  );
}

function useColumns(canvas: React.RefObject<HTMLCanvasElement | null>): number {
  const [columns, setColumns] = useState(60);
  useEffect(() => {
    const { current } = canvas;
    if (current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setColumns(Math.max(10, Math.floor(entry.contentRect.width / stepPixels)));
    });
    observer.observe(current);
    return () => observer.disconnect();
  }, [canvas]);
  return columns;
}

function useDrawing(
  canvas: React.RefObject<HTMLCanvasElement | null>,
  squares: readonly BlockKind[],
  columns: number,
): void {
  const theme = useThemeVersion();
  const drawn = useRef('');
  const picture = `${theme} ${columns} ${squares.join()}`;
  useEffect(() => {
    const { current } = canvas;
    const context = current?.getContext('2d');
    if (current === null || !context || drawn.current === picture) return;
    drawn.current = picture;
    const scale = window.devicePixelRatio;
    current.width = Math.round(columns * stepPixels * scale);
    current.height = Math.round(rows * stepPixels * scale);
    current.style.height = `${rows * stepPixels}px`;
    context.scale(scale, scale);
    squares.forEach((kind, index) => {
      // Column by column: what has crossed grows from the left.
      const left = Math.floor(index / rows) * stepPixels;
      const top = (index % rows) * stepPixels;
      drawSquare(context, { kind, left, top, size: squarePixels, element: current });
    });
  });
}

function Legend({ shares }: { readonly shares: BlockShares }): ReactElement {
  return (
    <ul className="legend">
      {blockKinds.map((kind) => (
        <li key={kind} className={shares[kind] > 0 ? '' : 'faint'}>
          <Swatch kind={kind} />
          {text(`job.kinds.${kind}`)} <span className="figure">{bytesText(shares[kind])}</span>
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
    drawSquare(context, { kind, left: 0, top: 0, size: swatchPixels, element: current });
  }, [kind, theme]);
  return <canvas ref={canvas} className="swatch" aria-hidden="true" />;
}

interface ShareTableProps {
  readonly shares: BlockShares;
  readonly totalBytes: number;
}

function ShareTable({ shares, totalBytes }: ShareTableProps): ReactElement {
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
            <th scope="row">{text(`job.kinds.${kind}`)}</th>
            <td>{bytesText(shares[kind])}</td>
            <td>{text('job.percent', { percent: percentText(shares[kind], totalBytes) })}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
