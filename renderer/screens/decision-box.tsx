/**
 * What the job waits for: what has failed, where, and the choices that it offers, in its own words. To try again is
 * harmless; the other choices are asked about once more. Another decision makes another box (its `key`), so that no
 * press that was meant for one is taken for another.
 */
import type { ReactElement } from 'react';
import { useEffect, useRef } from 'react';
import type { JobEventOf, Unreadable } from '../../app/contract/events.ts';
import { ActionButton } from '../components/action-button.tsx';
import { Question, useQuestion } from '../components/question.tsx';
import { useSettled } from '../components/settled.ts';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobView } from '../state/job-view.ts';
import type { JobCommand } from '../state/wizard.ts';
import { isAway, isBusy } from '../state/wizard-state.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { UndoQuestion } from './job-actions.tsx';

const commands = { retry: 'retry', 'accept-unreadable': 'acceptUnreadable', undo: 'undo' } as const satisfies Readonly<
  Record<string, JobCommand>
>;
type KnownChoice = keyof typeof commands;

function isKnown(choice: string): choice is KnownChoice {
  return Object.hasOwn(commands, choice);
}

export interface DecisionBoxProps {
  readonly view: JobView;
  readonly decision: JobEventOf<'decision'>;
}

export function DecisionBox({ view, decision }: DecisionBoxProps): ReactElement {
  const { message, choices, unreadable } = decision;
  const isLossOffered = choices.some(({ choice }) => choice === 'accept-unreadable');
  const writtenBytes = view.progress?.toReturnBytes ?? 0;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The person may be looking at what is far below, and nothing there says that somebody is waited for.
    heading.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <section className="box bad" role="alert">
      <h2 ref={heading}>{text('decision.title')}</h2>
      <p className="breakable">{message.replace(/\.?$/, '.')}</p>
      <p>
        <strong>{text('decision.safe')}</strong>
      </p>
      {unreadable !== undefined && <Places unreadable={unreadable} />}
      {/* A disk that is gone cannot say which places. */}
      {unreadable === undefined && isLossOffered && writtenBytes > 0 && (
        <p>{text('decision.onlyThere', { size: bytesText(writtenBytes) })}</p>
      )}
      <ul className="choices">
        {choices.map((choice) => (
          <li key={choice.choice}>
            <ChoiceOf view={view} {...choice} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ChoiceOfProps {
  readonly view: JobView;
  readonly choice: string;
  readonly meaning: string;
}

function ChoiceOf({ view, choice, meaning }: ChoiceOfProps): ReactElement {
  const { job } = view;
  const wizard = useWizard();
  const isPending = useWizardState((state) => isBusy(state, `job:${job}`));
  const isSettled = useSettled();
  const isUnheard = useWizardState(isAway);
  const asking = useQuestion();
  if (!isKnown(choice)) return <>{`${choice}: ${meaning}`}</>;
  const act = (): void => void wizard.command(job, commands[choice]);
  const words = text(`decision.choices.${choice}`);
  return (
    <>
      <ActionButton isDisabled={!isSettled || isUnheard} isBusy={isPending} onPress={choice === 'retry' ? act : asking.ask}>
        {words}
      </ActionButton>
      <span>{meaning === words.toLowerCase() ? '' : meaning}</span>
      {choice === 'undo' && <UndoQuestion view={view} asking={asking} />}
      {choice === 'accept-unreadable' && (
        <Question
          asking={asking}
          title={text('decision.acceptTitle')}
          words={text('decision.acceptText', { meaning })}
          yes={text('decision.acceptYes')}
          no={text('actions.notYet')}
          onYes={act}
        />
      )}
    </>
  );
}

function Places({ unreadable }: { readonly unreadable: Unreadable }): ReactElement {
  const { extents, extentCount, totalBytes } = unreadable;
  const more = extentCount - extents.length;
  return (
    <div className="scroller" tabIndex={0} role="group" aria-label={text('decision.places')}>
      <table>
        <caption>
          {text('decision.places')}: {text('decision.total', { size: bytesText(totalBytes) })}
        </caption>
        <thead>
          <tr>
            <th scope="col">{text('decision.offset')}</th>
            <th scope="col">{text('decision.length')}</th>
          </tr>
        </thead>
        <tbody>
          {extents.map(({ offsetBytes, lengthBytes }) => (
            <tr key={offsetBytes}>
              <td>{offsetBytes.toLocaleString('en')}</td>
              <td>{bytesText(lengthBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <p>{text('decision.more', { count: more })}</p>}
    </div>
  );
}
