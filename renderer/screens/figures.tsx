/** What a move has taken, in numbers: on the last screen and on paper. */
import type { ReactElement } from 'react';
import type { JobReport } from '../../app/contract/events.ts';
import type { Fact } from '../components/facts.tsx';
import { Facts } from '../components/facts.tsx';
import { bytesText, durationText } from '../text/figures.ts';
import { text } from '../text/text.ts';

export interface FiguresProps {
  readonly report: JobReport;
  /** Of what else is to be told in the same list. */
  readonly others?: readonly Fact[];
}

export function Figures({ report, others = [] }: FiguresProps): ReactElement {
  const { elapsedMs, copiedBytes, redirectedBytes, skippedBytes, longestStallMs, interruptions } = report;
  const pauses = interruptions.map(({ at, elapsedMs: pauseMs }) =>
    text('done.pause', { time: durationText(pauseMs), at: text(`done.at.${at}`) }),
  );
  const facts: readonly Fact[] = [
    [text('done.took'), durationText(elapsedMs)],
    [text('done.copied'), bytesText(copiedBytes)],
    ...(redirectedBytes === 0 ? [] : [[text('done.written'), bytesText(redirectedBytes)] as const]),
    ...(skippedBytes === 0 ? [] : [[text('done.free'), bytesText(skippedBytes)] as const]),
    ...(longestStallMs === 0 ? [] : [[text('done.stall'), durationText(longestStallMs)] as const]),
    [text('done.pauses'), pauses.length === 0 ? text('done.noPauses') : pauses.join(', ')],
    ...others,
  ];
  return (
    <section>
      <h2>{text('done.figures')}</h2>
      <Facts facts={facts} />
    </section>
  );
}
