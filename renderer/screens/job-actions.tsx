/**
 * The way back from a job: what it means for the volume and for what was written, before it is taken. And both ways out of
 * a job that has stopped.
 */
import type { ReactElement } from 'react';
import type { Way } from '../../app/contract/plan.ts';
import { ActionButton } from '../components/action-button.tsx';
import type { Asking } from '../components/question.tsx';
import { Question } from '../components/question.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import type { JobView } from '../state/job-view.ts';
import { isAway, isBusy } from '../state/wizard-state.ts';
import { text } from '../text/text.ts';

export interface UndoQuestionProps {
  readonly view: JobView;
  readonly asking: Asking;
}

export function UndoQuestion({ view: { job, plan }, asking }: UndoQuestionProps): ReactElement | null {
  const wizard = useWizard();
  return (
    <Question
      asking={asking}
      title={text('job.stopTitle')}
      words={`${text('job.stopText')} ${text(`job.stopUse.${useAtUndo(plan)}`)}`}
      yes={text('job.stopYes')}
      no={text('job.stopNo')}
      onYes={() => void wizard.command(job, 'undo')}
    />
  );
}

/** With device-mapper, who has attached the volume stays on it, too. */
function useAtUndo(plan: JobView['plan']): Way | 'unknown' {
  if (plan === null) return 'unknown';
  return plan.way === 'attach' && plan.usesDeviceMapper ? 'live' : plan.way;
}

export interface RecoverBackProps {
  readonly job: string;
  readonly asking: Asking;
}

/** The same for a job that has stopped. */
export function RecoverBackQuestion({ job, asking }: RecoverBackProps): ReactElement | null {
  const wizard = useWizard();
  return (
    <Question
      asking={asking}
      title={text('job.stopTitle')}
      words={text('job.stopText')}
      yes={text('job.stopYes')}
      no={text('actions.notYet')}
      onYes={() => void wizard.recover(job, { goesBack: true })}
    />
  );
}

export interface WaysOutProps {
  readonly job: string;
  readonly onBack: () => void;
}

/** Of a job that nobody serves any more, also one that has failed and left both disks to go on with. */
export function WaysOut({ job, onBack }: WaysOutProps): ReactElement {
  const wizard = useWizard();
  const isPending = useWizardState((state) => isBusy(state, `recover:${job}`));
  const isUnheard = useWizardState(isAway);
  const goOn = (): void => void wizard.recover(job, { goesBack: false });
  return (
    <>
      <ActionButton onPress={() => wizard.go({ at: 'start' })}>{text('actions.jobs')}</ActionButton>
      <ActionButton kind="main" isDisabled={isUnheard} isBusy={isPending} onPress={goOn}>
        {text('actions.resume')}
      </ActionButton>
      <ActionButton isDisabled={isUnheard} isBusy={isPending} onPress={onBack}>
        {text('actions.goBack')}
      </ActionButton>
    </>
  );
}
