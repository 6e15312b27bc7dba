/** The way back from a job: what it means for the volume and for what was written, before it is taken. */
import type { ReactElement } from 'react';
import type { Asking } from '../components/question.tsx';
import { Question } from '../components/question.tsx';
import { useWizard } from '../components/wizard-context.ts';
import type { JobView } from '../state/job-view.ts';
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
      words={`${text('job.stopText')} ${text(`job.stopUse.${plan?.way ?? 'unknown'}`)}`}
      yes={text('job.stopYes')}
      no={text('job.stopNo')}
      onYes={() => void wizard.command(job, 'undo')}
    />
  );
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
