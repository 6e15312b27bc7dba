/**
 * One square of the block map. Each kind has a pattern of its own, for those who do not tell its colour. A square
 * that has crossed in part is filled from below as far as it has.
 */
import type { BlockKind } from '../state/block-shares.ts';
import { blockKinds } from '../state/block-shares.ts';
import { token } from './theme.ts';

export const squarePixels = 10;
export const stepPixels = 12;

export interface Square {
  readonly kind: BlockKind;
  /** How much of it is filled, from 0 to 1. */
  readonly filled: number;
  readonly left: number;
  readonly top: number;
  readonly size: number;
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

export type Colours = Readonly<Record<BlockKind | 'mark' | 'chosen', string>>;

/** Asking for them takes longer than drawing with them. */
export function coloursOf(element: Element): Colours {
  const colours = blockKinds.map((kind) => [kind, token(element, `block-${kind}`)]);
  const marks = { mark: token(element, 'block-mark'), chosen: token(element, 'ink') };
  return { ...(Object.fromEntries(colours) as Record<BlockKind, string>), ...marks };
}

export function drawSquare(context: CanvasRenderingContext2D, square: Square, colours: Colours): void {
  const { kind, left, top, size, filled } = square;
  if (filled < 1 && kind !== 'unreadable') drawPart(context, square, colours);
  else drawWhole(context, { kind, left, top, size }, colours);
}

function drawPart(context: CanvasRenderingContext2D, square: Square, colours: Colours): void {
  const { kind, left, top, size, filled } = square;
  drawWhole(context, { kind: 'source', left, top, size }, colours);
  if (filled === 0) return;
  // Some of it is seen, and that something is left.
  const height = Math.min(size - 3, Math.max(2, Math.round(filled * size)));
  context.fillStyle = colours[kind];
  context.fillRect(left + 1, top + size - 1 - height, size - 2, height);
}

function drawWhole(context: CanvasRenderingContext2D, square: Omit<Square, 'filled'>, colours: Colours): void {
  const { kind, left, top, size } = square;
  const pattern = patterns[kind];
  const isFilled = pattern !== 'hollow' && pattern !== 'frame';
  context.fillStyle = context.strokeStyle = colours[kind];
  context.lineWidth = pattern === 'hollow' ? 1 : 1.5;
  if (isFilled) context.fillRect(left, top, size, size);
  else context.strokeRect(left + 1, top + 1, size - 2, size - 2);
  context.fillStyle = context.strokeStyle = colours.mark;
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
