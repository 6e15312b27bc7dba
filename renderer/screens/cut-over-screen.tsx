/** When everything has crossed: what the last step does, what has been checked, and until when one can go back. */
import type { ReactElement } from 'react';
import type { JobEventOf } from '../../app/contract/events.ts';
import { ActionButton } from '../components/action-button.tsx';
import { useQuestion } from '../components/question.tsx';
import { RefusalOf } from '../components/refusal-box.tsx';
import { useSettled } from '../components/settled.ts';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobView } from '../state/job-view.ts';
import { waitsToBeLetGo } from '../state/job-view.ts';
import { isAway, isBusy } from '../state/wizard-state.ts';
import { bytesText, durationText } from '../text/figures.ts';
import { text } from '../text/text.ts';
import { UndoQuestion } from './job-actions.tsx';
import { Log } from './migrate-screen.tsx';
import { Screen } from './screen.tsx';
import { WarningBox } from './warning-box.tsx';

export function CutOverScreen({ view }: { readonly view: JobView }): ReactElement {
  const { job, state, cutOver, plan, verified, acceptedBytes } = view;
  const wizard = useWizard();
  const asking = useQuestion();
  const isSettled = useSettled();
  const isUnheard = useWizardState(isAway);
  const isPending = useWizardState((now) => isBusy(now, `job:${job}`));
  const isLetGo = waitsToBeLetGo(view);
  const isWaiting = state === 'synchronized' && !isLetGo;
  const canStop = isWaiting || isLetGo;
  const steps = cutOver.length > 0 ? cutOver : (plan?.cutOver ?? []);
  return (
    <Screen
      title={text('cutOver.title')}
      lead={text(acceptedBytes > 0 ? 'cutOver.leadWithout' : 'cutOver.lead')}
      actions={
        <>
          <ActionButton onPress={() => wizard.go({ at: 'start' })}>{text('actions.jobs')}</ActionButton>
          <ActionButton isDisabled={!isWaiting || isUnheard} isBusy={isPending} onPress={() => void wizard.command(job, 'verify')}>
            {text('cutOver.verify')}
          </ActionButton>
          <ActionButton
            kind="main"
            isDisabled={!isWaiting || !isSettled || isUnheard}
            isBusy={isPending}
            onPress={() => void wizard.command(job, 'cutover')}
          >
            {text('cutOver.button')}
          </ActionButton>
          {/* Where it is while the job moves: nobody who goes for it finds something else there. */}
          <ActionButton isDisabled={!canStop || isUnheard} isBusy={isPending} onPress={asking.ask}>
            {text('job.stop')}
          </ActionButton>
        </>
      }
    >
      <RefusalOf errand={`job:${job}`} />
      <UndoQuestion view={view} asking={asking} />
      <WarningBox view={view} />
      {acceptedBytes > 0 && <p className="box amber">{text('done.lost.finished', { size: bytesText(acceptedBytes) })}</p>}
      <p role="status">{isWaiting || isLetGo ? '' : text('cutOver.working')}</p>
      <section>
        <h2>{text('cutOver.steps')}</h2>
        <ol>
          {steps.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      </section>
      <HowLong view={view} />
      {state !== 'committed' && <p>{text('cutOver.undo')}</p>}
      <Verified verified={verified} />
      <Log view={view} />
    </Screen>
  );
}

/** As far as the start has shown it. */
function HowLong({ view: { log } }: { readonly view: JobView }): ReactElement | null {
  const atStart = log.filter((event): event is JobEventOf<'interrupted'> => event.event === 'interrupted' && event.at === 'start');
  if (atStart.length === 0) return null;
  const longestMs = Math.max(...atStart.map(({ elapsedMs }) => elapsedMs));
  return <p>{text('cutOver.howLong', { time: durationText(longestMs) })}</p>;
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
