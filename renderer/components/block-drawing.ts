/**
 * Draws the squares of the block map, row by row: only those that have changed since, unless the whole picture is
 * another one, so that ten changes a second cost next to nothing.
 */
import { useEffect, useRef, useState } from 'react';
import type { BlockKind } from '../state/block-shares.ts';
import type { Colours, Square } from './block-square.ts';
import { coloursOf, drawSquare, squarePixels, stepPixels } from './block-square.ts';
import { useThemeVersion } from './theme.ts';

export const mapRows = 8;

export interface Drawn {
  readonly kind: BlockKind;
  /** How much of it has crossed, from 0 to 1. */
  readonly filled: number;
}

/** As many as its width has room for. */
export function useColumns(canvas: React.RefObject<HTMLCanvasElement | null>): number {
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

interface Picture {
  readonly squares: readonly Drawn[];
  readonly columns: number;
  readonly chosen: number | null;
}

/** Draws only what has changed since, unless the whole picture is another one. */
export function useDrawing(canvas: React.RefObject<HTMLCanvasElement | null>, picture: Picture): void {
  const theme = useThemeVersion();
  const drawn = useRef<Picture & { readonly theme: number }>(undefined);
  useEffect(() => {
    const { current } = canvas;
    const context = current?.getContext('2d');
    if (current === null || !context) return;
    const { squares, columns, chosen } = picture;
    const before = drawn.current;
    const isOther = before?.theme !== theme || before.columns !== columns || before.squares.length !== squares.length;
    if (isOther) prepare(current, context, columns);
    const colours = coloursOf(current);
    squares.forEach((square, index) => {
      const old = before?.squares[index];
      const isSame = old?.kind === square.kind && old.filled === square.filled;
      if (!isOther && isSame && (index === chosen) === (index === before.chosen)) return;
      drawAt(context, { ...square, left: (index % columns) * stepPixels + 1, top: Math.floor(index / columns) * stepPixels + 1 }, {
        ...{ colours, isChosen: index === chosen },
      });
    });
    drawn.current = { ...picture, theme };
  });
}

function prepare(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, columns: number): void {
  const scale = window.devicePixelRatio;
  canvas.width = Math.round(columns * stepPixels * scale);
  canvas.height = Math.round(mapRows * stepPixels * scale);
  canvas.style.height = `${mapRows * stepPixels}px`;
  context.scale(scale, scale);
}

interface Look {
  readonly colours: Colours;
  readonly isChosen: boolean;
}

function drawAt(context: CanvasRenderingContext2D, square: Omit<Square, 'size'>, { colours, isChosen }: Look): void {
  const { left, top } = square;
  context.clearRect(left - 1, top - 1, stepPixels, stepPixels);
  drawSquare(context, { ...square, size: squarePixels }, colours);
  if (!isChosen) return;
  context.strokeStyle = colours.chosen;
  context.lineWidth = 2;
  context.strokeRect(left, top, squarePixels, squarePixels);
}
