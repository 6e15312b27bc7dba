/** The eight steps, always in sight: which are done, which were left out, and which is the current one. */
import type { ReactElement } from 'react';
import { text } from '../text/text.ts';

export const steps = ['start', 'source', 'destination', 'plan', 'confirm', 'migrate', 'cutOver', 'done'] as const;
export type Step = (typeof steps)[number];

export interface StepListProps {
  readonly current: Step;
  /** What a job that was undone or has failed never came to. */
  readonly leftOut: readonly Step[];
  /** The current one is the last, and all went well. */
  readonly isComplete: boolean;
}

const marks = { past: '✓', 'left-out': '–' } as const;

export function StepList({ current, leftOut, isComplete }: StepListProps): ReactElement {
  const at = steps.indexOf(current);
  const stateOf = (step: Step, index: number): 'past' | 'left-out' | 'current' | 'coming' => {
    if (leftOut.includes(step)) return 'left-out';
    if (index < at) return 'past';
    return index === at ? 'current' : 'coming';
  };
  const markOf = (step: Step, index: number): string => {
    const state = stateOf(step, index);
    if (isComplete && state === 'current') return marks.past;
    return state === 'past' || state === 'left-out' ? marks[state] : String(index + 1);
  };
  return (
    <nav className="steps" aria-label={text('app.steps')}>
      <p className="steps-short" aria-hidden="true">
        {text('app.stepOf', { step: at + 1, count: steps.length, name: text(`steps.${current}`) })}
      </p>
      <ol>
        {steps.map((step, index) => (
          <li key={step} className={stateOf(step, index)} aria-current={index === at ? 'step' : undefined}>
            <span className="mark" aria-hidden="true">
              {markOf(step, index)}
            </span>
            <span>{text(`steps.${step}`)}</span>
            {stateOf(step, index) === 'past' && <span className="unseen">{text('steps.isDone')}</span>}
            {stateOf(step, index) === 'left-out' && <span className="unseen">{text('steps.isLeftOut')}</span>}
          </li>
        ))}
      </ol>
    </nav>
  );
}
