/** What the job waits for: what has failed, where, and the choices that it offers, in its own words. */
import type { ReactElement } from 'react';
import type { JobEventOf, Unreadable } from '../../app/contract/events.ts';
import { ActionButton } from '../components/action-button.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobCommand } from '../state/wizard.ts';
import { isBusy } from '../state/wizard-state.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';

const commands = { retry: 'retry', 'accept-unreadable': 'acceptUnreadable', undo: 'undo' } as const satisfies Readonly<
  Record<string, JobCommand>
>;
type KnownChoice = keyof typeof commands;

function isKnown(choice: string): choice is KnownChoice {
  return Object.hasOwn(commands, choice);
}

export function DecisionBox({ decision }: { readonly decision: JobEventOf<'decision'> }): ReactElement {
  const wizard = useWizard();
  const isPending = useWizardState((state) => isBusy(state, 'job'));
  const { job, message, choices, unreadable } = decision;
  return (
    <section className="box bad" role="alert">
      <h2>{text('decision.title')}</h2>
      <p className="breakable">{message.replace(/\.?$/, '.')}</p>
      <p>
        <strong>{text('decision.safe')}</strong>
      </p>
      {unreadable !== undefined && <Places unreadable={unreadable} />}
      <ul className="choices">
        {choices.map(({ choice, meaning }) =>
          isKnown(choice) ? (
            <li key={choice}>
              <ActionButton isDisabled={isPending} onPress={() => void wizard.command(job, commands[choice])}>
                {text(`decision.choices.${choice}`)}
              </ActionButton>
              <span>{meaning}</span>
            </li>
          ) : (
            <li key={choice}>{`${choice}: ${meaning}`}</li>
          ),
        )}
      </ul>
    </section>
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
