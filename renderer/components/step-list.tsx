/** The eight steps, always in sight: which are done, and which is the current one. */
import type { ReactElement } from 'react';
import { text } from '../text/text.ts';

export const steps = ['start', 'source', 'destination', 'plan', 'confirm', 'migrate', 'cutOver', 'done'] as const;
export type Step = (typeof steps)[number];

export function StepList({ current }: { readonly current: Step }): ReactElement {
  const at = steps.indexOf(current);
  return (
    <nav className="steps" aria-label={text('app.steps')}>
      <p className="steps-short" aria-hidden="true">
        {text('app.stepOf', { step: at + 1, count: steps.length, name: text(`steps.${current}`) })}
      </p>
      <ol>
        {steps.map((step, index) => (
          <li key={step} className={stateOf(index, at)} aria-current={index === at ? 'step' : undefined}>
            <span className="mark" aria-hidden="true">
              {index < at ? '✓' : index + 1}
            </span>
            <span>{text(`steps.${step}`)}</span>
            {index < at && <span className="unseen">{text('steps.isDone')}</span>}
          </li>
        ))}
      </ol>
    </nav>
  );
}

function stateOf(index: number, at: number): string {
  if (index < at) return 'past';
  return index === at ? 'current' : 'coming';
}
