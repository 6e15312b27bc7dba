/**
 * The way back from a running job. It is not taken by one press: what it means stands in place of the button
 * first, and the focus is on not doing it.
 */
import type { ReactElement } from 'react';
import { useEffect, useRef, useState } from 'react';
import { ActionButton } from '../components/action-button.tsx';
import { useWizard } from '../components/wizard-context.ts';
import { text } from '../text/text.ts';

export interface UndoPartProps {
  readonly job: string;
  /** Chosen, and to be confirmed. */
  readonly isAsking: boolean;
  readonly onAsk: (isAsking: boolean) => void;
}

/** Whether the person is being asked; the question and the button are at different places. */
export function useUndoQuestion(): readonly [isAsking: boolean, onAsk: (isAsking: boolean) => void] {
  return useState(false);
}

export function UndoQuestion({ job, isAsking, onAsk }: UndoPartProps): ReactElement | null {
  const wizard = useWizard();
  const question = useRef<HTMLElement>(null);
  // The button that asks for it may be far below.
  useEffect(() => question.current?.scrollIntoView({ block: 'nearest' }), [isAsking]);
  if (!isAsking) return null;
  return (
    <section ref={question} className="box amber" role="alertdialog" aria-labelledby="undo-title" aria-describedby="undo-text">
      <h2 id="undo-title">{text('job.stopTitle')}</h2>
      <p id="undo-text">{text('job.stopText')}</p>
      <div className="row">
        <ActionButton autoFocus onPress={() => onAsk(false)}>
          {text('job.stopNo')}
        </ActionButton>
        <ActionButton
          kind="danger"
          onPress={() => {
            onAsk(false);
            void wizard.command(job, 'undo');
          }}
        >
          {text('job.stopYes')}
        </ActionButton>
      </div>
    </section>
  );
}
