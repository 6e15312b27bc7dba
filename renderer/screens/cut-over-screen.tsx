/** When everything has crossed: what the last step does, what has been checked, and until when one can go back. */
import type { ReactElement } from 'react';
import type { JobEventOf } from '../../app/contract/events.ts';
import { ActionButton } from '../components/action-button.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobView } from '../state/job-view.ts';
import { isBusy } from '../state/wizard-state.ts';
import { bytesText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { UndoQuestion, useUndoQuestion } from './job-actions.tsx';
import { Log } from './migrate-screen.tsx';
import { Screen } from './screen.tsx';

export function CutOverScreen({ view }: { readonly view: JobView }): ReactElement {
  const { job, state, cutOver, plan, verified } = view;
  const wizard = useWizard();
  const [isAsking, onAsk] = useUndoQuestion();
  const isPending = useWizardState((now) => isBusy(now, 'job'));
  const isWaiting = state === 'synchronized';
  const isLocked = isPending || !isWaiting;
  const steps = cutOver.length > 0 ? cutOver : (plan?.cutOver ?? []);
  return (
    <Screen
      title={text('cutOver.title')}
      lead={text('cutOver.lead')}
      actions={
        <>
          <ActionButton onPress={() => wizard.go({ at: 'start' })}>{text('actions.jobs')}</ActionButton>
          <ActionButton isDisabled={isLocked} onPress={() => onAsk(true)}>
            {text('job.stop')}
          </ActionButton>
          <ActionButton isDisabled={isLocked} onPress={() => void wizard.command(job, 'verify')}>
            {text('cutOver.verify')}
          </ActionButton>
          <ActionButton kind="main" isDisabled={isLocked} onPress={() => void wizard.command(job, 'cutover')}>
            {text('cutOver.button')}
          </ActionButton>
        </>
      }
    >
      <RefusalOf errand="job" />
      <UndoQuestion job={job} isAsking={isAsking} onAsk={onAsk} />
      <p role="status">{isWaiting ? '' : text('cutOver.working')}</p>
      <section>
        <h2>{text('cutOver.steps')}</h2>
        <ol>
          {steps.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      </section>
      <p>{text('cutOver.undo')}</p>
      <Verified verified={verified} />
      <Log view={view} />
    </Screen>
  );
}

export function Verified({ verified }: { readonly verified: JobEventOf<'verified'> | null }): ReactElement {
  if (verified === null) return <p>{text('cutOver.notVerified')}</p>;
  const { checkedBytes, repairedBytes, writtenBytes, unknownBytes } = verified;
  const notCompared = writtenBytes + unknownBytes;
  return (
    <p>
      {text('cutOver.verified', { checked: bytesText(checkedBytes) })}
      {repairedBytes > 0 && ` ${text('cutOver.repaired', { repaired: bytesText(repairedBytes) })}`}
      {notCompared > 0 && ` ${text('cutOver.notCompared', { size: bytesText(notCompared) })}`}
    </p>
  );
}
