/**
 * That the moves cannot be watched: then what is shown of them is from before. It is asked for by the clock, so it is no
 * act of the person's that was refused; but the person may have it asked again.
 */
import type { ReactElement } from 'react';
import { ActionButton } from '../components/action-button.tsx';
import { useWizard, useWizardState } from '../components/wizard-context.ts';
import { text } from '../text/text.ts';

export function WatchRefused({ title }: { readonly title: string }): ReactElement | null {
  const wizard = useWizard();
  const refusal = useWizardState((state) => state.refusals.watch);
  if (refusal === undefined) return null;
  return (
    <section className="box amber" role="status">
      <h2>{title}</h2>
      <p className="breakable">{refusal.message.replace(/\.?$/, '.')}</p>
      <p>{refusal.advice}</p>
      <ActionButton onPress={() => void wizard.refreshJobs()}>{text('actions.askAgain')}</ActionButton>
    </section>
  );
}
