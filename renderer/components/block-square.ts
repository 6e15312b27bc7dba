/** One square of the block map. Each kind has a pattern of its own, for those who do not tell its colour. */
import type { BlockKind } from '../state/block-shares.ts';
import { token } from './theme.ts';

export const squarePixels = 10;
export const stepPixels = 12;

export interface Square {
  readonly kind: BlockKind;
  readonly left: number;
  readonly top: number;
  readonly size: number;
  /** Whose tokens colour it. */
  readonly element: Element;
}

type Pattern = 'full' | 'dot' | 'stripe' | 'frame' | 'hollow' | 'cross';

const patterns: Readonly<Record<BlockKind, Pattern>> = {
  verified: 'dot',
  copied: 'full',
  written: 'stripe',
  free: 'frame',
  source: 'hollow',
  unreadable: 'cross',
};

export function drawSquare(context: CanvasRenderingContext2D, square: Square): void {
  const { kind, left, top, size, element } = square;
  const pattern = patterns[kind];
  const isFilled = pattern !== 'hollow' && pattern !== 'frame';
  context.fillStyle = context.strokeStyle = token(element, `block-${kind}`);
  context.lineWidth = pattern === 'hollow' ? 1 : 1.5;
  if (isFilled) context.fillRect(left, top, size, size);
  else context.strokeRect(left + 1, top + 1, size - 2, size - 2);
  context.fillStyle = context.strokeStyle = token(element, 'block-mark');
  context.beginPath();
  if (pattern === 'dot') context.arc(left + size / 2, top + size / 2, size / 5, 0, 2 * Math.PI);
  if (pattern === 'stripe') line(context, [left, top + size], [left + size, top]);
  if (pattern === 'cross') {
    line(context, [left + 1, top + 1], [left + size - 1, top + size - 1]);
    line(context, [left + size - 1, top + 1], [left + 1, top + size - 1]);
  }
  if (pattern === 'dot') context.fill();
  else context.stroke();
}

type Point = readonly [x: number, y: number];

function line(context: CanvasRenderingContext2D, from: Point, to: Point): void {
  context.moveTo(...from);
  context.lineTo(...to);
}
