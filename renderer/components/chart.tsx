/** One figure of a job over its whole time, drawn by uPlot; said in words for those who do not see it. */
import type { ReactElement } from 'react';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import type { Sample } from '../state/job-samples.ts';
import { scaleTimeText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { token, useThemeVersion } from './theme.ts';

export interface ChartProps {
  readonly name: string;
  readonly points: readonly Sample[];
  readonly figureOf: (sample: Sample) => number;
  readonly words: (figure: number) => string;
  /** Between the lines of its scale: round numbers of its unit. */
  readonly steps: readonly number[];
  /** The scale reaches so far at least, so that next to nothing looks like it. */
  readonly scaleMin: number;
}

/** Of bytes: powers of two. */
export const byteSteps: readonly number[] = Array.from({ length: 50 }, (_, power) => 2 ** power);
/** Of microseconds: 1, 2, 5, 10, … */
export const waitSteps: readonly number[] = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7].flatMap((unit) => [unit, 2 * unit, 5 * unit]);
/** Of seconds, as clocks have them. */
const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800];

const heightPixels = 120;
/** Of the words at the scale: enough for "1023 MiB/s", so that nothing moves when they change. */
const scalePixels = 84;

export function Chart({ name, points, figureOf, words, steps, scaleMin }: ChartProps): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const theme = useThemeVersion();
  useEffect(() => {
    const { current } = place;
    if (current === null) return undefined;
    const made = new uPlot(optionsFor(current, { words, steps, scaleMin }), [[], []], current);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (current.clientWidth > 0) made.setSize({ width: current.clientWidth, height: heightPixels });
    });
    observer.observe(current);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [theme, words, steps, scaleMin]);
  const beginMs = points[0]?.timeMs ?? 0;
  const figures = points.map(figureOf);
  useEffect(() => {
    plot.current?.setData([points.map(({ timeMs }) => (timeMs - beginMs) / 1000), figures]);
  });
  const now = words(figures.at(-1) ?? 0);
  const highest = words(Math.max(0, ...figures));
  return (
    <figure className="chart">
      <figcaption>
        {name} <span className="figure">{text('job.now', { value: now })}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={text('job.chartSummary', { name, now, highest })} />
    </figure>
  );
}

type Scale = Pick<ChartProps, 'words' | 'steps' | 'scaleMin'>;

function optionsFor(element: HTMLElement, { words, steps, scaleMin }: Scale): uPlot.Options {
  const axis = { stroke: token(element, 'soft'), font: `12px ${token(element, 'font')}` };
  const grid = { stroke: token(element, 'line'), width: 1 };
  const accent = token(element, 'accent');
  return {
    width: Math.max(1, element.clientWidth),
    height: heightPixels,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false }, y: { range: (_, __, highest) => [0, Math.max(scaleMin, highest * 1.1)] } },
    axes: [
      { ...axis, grid, ticks: grid, size: 26, incrs: [...timeSteps], values: (_, seconds) => seconds.map(scaleTimeText) },
      { ...axis, grid, ticks: grid, size: scalePixels, space: 30, incrs: [...steps], values: (_, figures) => figures.map(words) },
    ],
    series: [{}, { stroke: accent, width: 1.5, fill: `${accent}22`, points: { show: false } }],
  };
}
