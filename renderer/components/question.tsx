/**
 * What cannot be taken back is not done by one press: what it means stands in place of it first, and the focus is on
 * not doing it. Afterwards the focus is where it was.
 */
import type { ReactElement } from 'react';
import { useEffect, useId, useRef, useState } from 'react';
import { ActionButton } from './action-button.tsx';
import { useSettled } from './settled.ts';

export interface Asking {
  readonly isAsking: boolean;
  readonly ask: () => void;
  readonly end: () => void;
}

/** The question and its button may be at different places. */
export function useQuestion(): Asking {
  const [isAsking, setAsking] = useState(false);
  const asker = useRef<Element | null>(null);
  return {
    isAsking,
    ask: () => {
      asker.current = document.activeElement;
      setAsking(true);
    },
    end: () => {
      setAsking(false);
      if (asker.current instanceof HTMLElement) asker.current.focus();
    },
  };
}

export interface QuestionProps {
  readonly asking: Asking;
  readonly title: string;
  readonly words: string;
  readonly yes: string;
  readonly no: string;
  readonly onYes: () => void;
}

export function Question({ asking, ...rest }: QuestionProps): ReactElement | null {
  return asking.isAsking ? <OpenQuestion asking={asking} {...rest} /> : null;
}

function OpenQuestion({ asking, title, words, yes, no, onYes }: QuestionProps): ReactElement {
  const isSettled = useSettled();
  const id = useId();
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    // The button that asks for it may be far below. Browsers may return a promise here, which React must not get.
    section.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <section
      ref={section}
      className="box amber"
      role="alertdialog"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-words`}
      onKeyDown={({ key }) => {
        if (key === 'Escape') asking.end();
      }}
    >
      <h2 id={`${id}-title`}>{title}</h2>
      <p id={`${id}-words`}>{words}</p>
      <div className="row">
        <ActionButton autoFocus onPress={asking.end}>
          {no}
        </ActionButton>
        <ActionButton
          kind="danger"
          isDisabled={!isSettled}
          onPress={() => {
            asking.end();
            onYes();
          }}
        >
          {yes}
        </ActionButton>
      </div>
    </section>
  );
}
